#!/bin/sh
# report_page.sh BUILD -- the page of test_report in headless Chromium: light, dark and as narrow as a phone. No error,
# every chart has drawn pixels, every choice works, nothing is wider than the screen.
set -u
# shellcheck source=tests/browser.sh
. "$(dirname "$0")/browser.sh"
cd "$1/test_report" || exit 1

cat >script.js <<'EOF'
const copy = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
function check(when) {
  const canvases = [...document.querySelectorAll("canvas")];
  if (canvases.length < 7) wrong.push(canvases.length + " charts");
  for (const c of canvases) {
    const name = c.closest("figure").querySelector("h3").textContent, say = (what) => wrong.push(when + ", " + name + ": " + what);
    copy.canvas.width = c.width;
    copy.canvas.height = c.height;
    copy.drawImage(c, 0, 0);
    const colors = new Set(new Uint32Array(copy.getImageData(0, 0, c.width, c.height).data.buffer));
    if (colors.size < 8) say("nothing is drawn");
    if (!(c.getAttribute("aria-label") || "").length) say("no words for it");
    if (/NaN|undefined|Infinity/.test(c.getAttribute("aria-label"))) say(c.getAttribute("aria-label"));
    if (c.closest("figure").querySelectorAll("tbody tr").length === 0) say("no table beside it");
  }
  if (/\bNaN\b|\bundefined\b|\[object/.test(document.querySelector("main").innerText)) wrong.push(when + ": a value that is none");
}
check("at first");

// Labels of a run in stages: a(t) jumps where the stage begins, between two events "step", and the dose grows from there.
const injected = [...document.querySelectorAll("figure")].find((f) => f.querySelector("h3").textContent === "Labels injected");
const line = (name) => Chart.getChart(injected.querySelector("canvas")).data.datasets.find((d) => d.label === "stages-0: " + name);
const drawn = (d) => JSON.stringify(d.data.map((p) => [p.x, p.y]));
if (!line("weight a(t)").stepped || drawn(line("weight a(t)")) !== "[[0,0],[2,0],[2.25,1],[6,1]]")
  wrong.push("a(t) is drawn through " + drawn(line("weight a(t)")));
if (drawn(line("dose (right axis)")) !== "[[0,0],[0.25,0],[2,0],[2.25,0],[2.5,0.25],[5,2.75],[6,3.75]]")
  wrong.push("the dose is drawn through " + drawn(line("dose (right axis)")));
if (!injected.querySelector(".keys .swatch")) wrong.push("colours of runs are not named beside the chart");
if (!/stages-0: 4 filters are dead/.test(document.querySelector("#diversity").textContent)) wrong.push("no word of dead filters");
// Choices and columns are told apart, also where only a protocol's settings differ; a chart says what its signs mean.
const choosing = [...document.querySelectorAll("#transfer select option")].map((o) => o.textContent);
if (new Set(choosing).size !== choosing.length) wrong.push("tasks of one name: " + choosing.join(" | "));
if (!choosing.some((o) => /k 200/.test(o))) wrong.push("no setting tells tasks apart: " + choosing.join(" | "));
const heads = [...document.querySelector("#transfer table").querySelectorAll("thead th")].map((h) => h.textContent);
if (new Set(heads).size !== heads.length) wrong.push("columns of one name: " + heads.join(" | "));
if (document.querySelectorAll("#transfer .keys li").length < 2) wrong.push("the chart of transfer has no legend");
for (const s of document.querySelectorAll("select"))
  for (const o of s.options) {
    s.value = o.value;
    s.dispatchEvent(new Event("change"));
    check(s.parentNode.textContent.split(" ")[0] + " " + o.value);
  }
document.querySelector("input[type=checkbox]").click();
document.querySelectorAll("button")[1].click();
document.querySelectorAll("button")[0].click();
for (const d of document.querySelectorAll("details")) d.open = true;
dispatchEvent(new Event("beforeprint"));
check("in print");
dispatchEvent(new Event("afterprint"));
check("at last");
EOF
checked all.html script.js
look_at_all ""
exit "$failed"
