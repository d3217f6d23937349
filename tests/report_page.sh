#!/bin/sh
# report_page.sh BUILD -- the page of test_report in headless Chromium: light, dark and as narrow as a phone. No error,
# every chart has drawn pixels, every choice works, nothing is wider than the screen.
set -u
cd "$1/test_report" || exit 1
browser=$(command -v chromium-headless-shell || command -v chromium) || {
  printf 'skip: no chromium (package chromium-headless-shell)\n'
  exit 77
}

# The page with a script before its own, which counts errors, and one behind them, which says in the title what is wrong.
cat >before.html <<'EOF'
<script>
var wrong = [];
addEventListener("error", (e) => wrong.push(e.message));
addEventListener("securitypolicyviolation", (e) => wrong.push("loads " + e.blockedURI));
</script>
EOF
cat >behind.html <<'EOF'
<script>
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
if (document.documentElement.scrollWidth > innerWidth) {
  wrong.push("wider than the screen by " + (document.documentElement.scrollWidth - innerWidth));
  for (const e of document.querySelectorAll("body *"))
    if (e.getBoundingClientRect().right > innerWidth && !e.parentNode.closest(".scroll, pre, .neighbours > div"))
      wrong.push("wider than the screen: " + e.tagName + " " + e.className + " " + e.textContent.slice(0, 60));
}
if (window.hacked || document.querySelector("img, svg[onload], h1 script")) wrong.push("a text became more than text");
if (document.documentElement.dataset.drawn !== "yes") wrong.push("the page's scripts did not reach their end");
document.title = "checked: " + (wrong.length ? wrong.join("; ") : "good");
</script>
EOF
sed -e '/<meta charset/r before.html' -e '/^<\/body>/{
r behind.html
N
}' all.html >checked.html

failed=0
# look NAME WIDTH [OPTION ...]
look() {
  name=$1 width=$2; shift 2
  "$browser" --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$PWD/chromium" --window-size="$width,4000" \
    --enable-logging=stderr --dump-dom "$@" "file://$PWD/checked.html" >"$name.html" 2>"$name.log"
  title=$(grep -o '<title>checked: [^<]*' "$name.html" | head -n 1)
  console=$(grep CONSOLE "$name.log")
  printf '%s: %s\n' "$name" "${title#<title>}"
  [ "$title" = "<title>checked: good" ] && [ -z "$console" ] || {
    printf '%s\n' "$console"
    tail -n 5 "$name.log"
    failed=1
  }
}
look light 1280
look dark 1280 --blink-settings=preferredColorScheme=0
look phone 390
rm -rf chromium
exit $failed
