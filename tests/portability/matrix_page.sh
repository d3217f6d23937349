#!/bin/sh
# matrix_page.sh SOURCE BUILD -- the page of compile_table: what it refuses to read, and in headless Chromium the page of
# the committed results, and one of a document whose strings would like to be more than text.
set -u
# shellcheck source=tests/browser.sh
. "$1/tests/browser.sh"
results=$1/tests/portability/results table=$2/bin/compile_table
rm -rf "$2/matrix_page"
mkdir -p "$2/matrix_page/hostile" "$2/matrix_page/bad" "$2/matrix_page/none" && cd "$2/matrix_page" || exit 1

# ---- Documents that are not what they should be ----

cat >good.json <<'EOF'
{"schema": 1, "kind": "selftest", "version": "1", "date": "2026-01-01", "quick": false, "filter": null, "device": null,
 "identity": null, "verdict": "fail", "counts": {"pass": 0, "fallback": 0, "skip": 0, "fail": 1}, "seconds": 1, "parts": [],
 "probes": [{"name": "ops.add", "verdict": "fail", "detail": "wrong", "ms": 1}]}
EOF
cat >compiled.json <<'EOF'
{"kind": "compile", "version": 1, "gpu": {"vendor": "amd", "name": "X", "generation": "Y", "known_as": "Z"},
 "driver": {"name": "radv", "version": "1"}, "summary": {"pass": false, "pipelines": 1, "excepted": 0, "seconds": 1},
 "skipped": {}, "failures": [{"kernel": "a", "what": "spills", "value": 1, "limit": 0}],
 "columns": ["waves", "spills"], "kernels": {"a": [1, 1]}}
EOF
printf '<!-- ran: begin -->\n<!-- ran: end -->\n<!-- compiled: begin -->\n<!-- compiled: end -->\n' >README.md

say_wrong() {
  printf '%s\n' "$*"
  failed=1
}
# expect STATUS WORDS ARGUMENT ...: what compile_table then ends with, and what it says at first.
expect() {
  want=$1 begin=$2; shift 2
  said=$("$table" "$@" 2>&1)
  status=$?
  case $said in "$begin"*) ;; *) want="$want and \"$begin\"" ;; esac
  [ "$want" = $status ] || say_wrong "compile_table $*: status $status, expected $want: $said"
}
# refused FILE SCRIPT EXPECTED: what a sed script makes of FILE is refused with these words, by both forms.
refused() {
  sed "$2" "$1" >bad/x.json
  expect 2 "bad/x.json$3" --html page.html bad
  expect 2 "bad/x.json$3" bad README.md
}
for f in good compiled; do
  cp $f.json bad/x.json
  expect 0 "" --html page.html bad
done
nothing=': expected a whole number of at least 0, found nothing'
one_of='expected one of "pass" "fallback" "skip" "fail", found "good"'
refused good.json 's/"kind": "selftest", //' ': kind: expected "selftest"'
refused good.json 's/"schema": 1/"schema": 2/' ': schema: expected 1, found 2'
refused good.json 's/"pass": 0, "fallback": 0, //' ": counts.pass$nothing"
refused good.json 's/"fail": 1/"fail": -1/' ': counts.fail: expected a whole number of at least 0, found -1'
refused good.json 's/"verdict": "fail", "detail"/"verdict": "good", "detail"/' ": probes[0].verdict: $one_of"
refused good.json 's/"detail": "wrong"/"detail": {"a": 1}/' ': probes[0].detail: expected a text, found {"a":1}'
refused good.json 's/{"name": "ops.add".*}]/"ops.add"]/' ': probes[0]: expected an object, found "ops.add"'
refused good.json 's/"identity": null/"identity": []/' ': identity: expected an object or null, found []'
refused good.json 's/"date": "2026-01-01"/"date": 20260101/' ': date: expected a text, found 20260101'
refused good.json 's/"ms": 1/"ms": 1, "numbers": 1/' ': probes[0].numbers: expected an object, found 1'
refused good.json '3d' ':3: no JSON'
refused good.json 's/"device": null/"device": "\\u0000"/' ':1: no JSON'
refused good.json 'd' ':1: no JSON'
refused compiled.json 's/"what": "spills", //' ': failures[0].what: expected a text, found nothing'
refused compiled.json 's/\[1, 1\]/[1]/' ': row 1 of kernels: expected a list of 2 numbers'
refused compiled.json 's/\[1, 1\]/[1, "1"]/' ': row 1 of kernels: expected a list of 2 numbers'
refused compiled.json 's/"waves", "spills"/"waves", 7/' ': columns[1]: expected a text, found 7'
refused compiled.json 's/"skipped": {}/"skipped": {"a": "b"}/' ': skipped: expected an object of whole numbers'
refused compiled.json 's/"seconds": 1/"seconds": 1, "waves": 3/' ': summary.waves: expected [number, kernel], found 3'
refused compiled.json 's/"gpu": {.*},$/"gpu": "X",/' ': gpu: expected an object, found "X"'
printf '[1]' >bad/x.json
expect 2 'bad/x.json: kind: expected' --html page.html bad
expect 2 'nowhere: expected a folder of results' --html page.html nowhere
expect 2 'nowhere/page.html: cannot be written' --html nowhere/page.html "$results"
expect 2 'usage:' --html page.html

# ---- Strings that would like to be more, and a page of nothing ----

cat >hostile/amd-tahiti-radv.json <<'EOF'
{"kind": "compile", "version": 1,
 "gpu": {"vendor": "</script><script>window.hacked=1</script>", "name": "<img src=x onerror=window.hacked=1>",
  "generation": "<!--<script>", "known_as": "\u2028 'a' \"b\" &lt;"},
 "driver": {"name": "__proto__", "version": "</style><svg onload=window.hacked=1>"},
 "summary": {"pass": false, "pipelines": 3, "excepted": 1, "seconds": 1e300, "waves": [2, "</table>"]}, "skipped": {},
 "failures": [
  {"kernel": "__proto__", "what": "crash", "value": 1, "limit": 0, "why": "<b onclick=window.hacked=1>signal 11</b>"},
  {"kernel": "a.b", "what": "<i>spills", "value": 3, "limit": 0, "reason": "</td><td>a reason"}],
 "columns": ["waves", "__proto__", "<u>new", "instructions"],
 "kernels": {"a.b": [0, -5, 1e300, -7], "a.<script>": [0, 0, 0, 0], "constructor": [0, 1, 2, 3]}}
EOF
cat >hostile/evil.json <<'EOF'
{"schema": 1, "kind": "selftest", "version": "<script>window.hacked=1</script>", "date": "</p><img src=x>", "quick": true,
 "filter": "</script><script>window.hacked=1</script>", "device": "</script><script>window.hacked=1</script> {{data}}",
 "identity": {"type": "<b>", "driver": "\"><img src=x onerror=\"window.hacked=1\">", "driver_info": "", "api": "", "os": ""},
 "verdict": "fail", "counts": {"pass": 1, "fallback": 1, "skip": 1, "fail": 2}, "seconds": -1e300,
 "parts": [{"name": "__proto__", "title": "<h1><script>"}, {"name": "empty", "title": "nothing in it"}],
 "probes": [
  {"name": "__proto__.x", "verdict": "pass", "detail": "", "ms": 1e300, "numbers": {"__proto__": 1}},
  {"name": "nodot", "verdict": "fallback", "detail": "</span><img src=x onerror=window.hacked=1>", "ms": -1},
  {"name": "", "verdict": "skip", "detail": "a name of nothing", "ms": 0},
  {"name": "capabilities.<b>", "verdict": "fail", "detail": "x", "ms": 0, "numbers": {"bytes": "many", "advertised": []}},
  {"name": "performance.roofline", "verdict": "fail", "detail": "y", "ms": 0, "numbers": {"copy_gb_s": -3, "f32_gflops": null}},
  {"name": "performance.gemm", "verdict": "pass", "detail": "z", "ms": 0,
   "numbers": {"<b>_share": -0.5, "<b>_ms": "<i>", "<b>_kernels": {"a": 1}, "_share": 1e300}}]}
EOF
expect 0 "" --html hostile.html hostile
expect 0 "" --html none.html none
expect 0 "" --html all.html "$results"
[ "$(grep -c '</script>' hostile.html)" = "$(grep -c '</script>' none.html)" ] || say_wrong "a script more than the page has"
[ "$(wc -c <all.html)" -lt 1000000 ] || say_wrong "all.html has a megabyte or more"
if grep -nE ' src=|<link|<img|<iframe|@import|url\(|href="http|fetch\(|XMLHttp|innerHTML' all.html; then say_wrong "it loads something"; fi

# ---- Pages in a browser ----

# view PAGE DEVICES GPUS PROBES: what it must show of each.
view() {
  printf 'const expected = {devices: %s, gpus: %s, probes: %s};\n' "$2" "$3" "$4" | cat - looks.js >script.js
  checked "$1.html" script.js
  look_at_all "$1-"
}
count() { cat "$results"/*.json | grep -c "$1"; }

cat >looks.js <<'EOF'
const same = (what, is, should) => {
  if (is !== should) wrong.push(what + ": " + is + ", expected " + should);
};
const all = (selector, e = document) => [...e.querySelectorAll(selector)];
const press = (cell, key) => cell.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const said = () => document.getElementById("tip").textContent;
function plain(when) {
  if (/\bNaN\b|\bundefined\b|\[object|\bInfinity\b/.test(document.body.innerText)) wrong.push(when + ": a value that is none");
}
plain("at first");
same("devices", all("figure.device").length, expected.devices);
same("cells of probes", all(".strip .cell").length, expected.probes);
same("GPUs", all(".heat tbody tr:not(.generation)").length, expected.gpus);
same("headings of generations", all(".heat .generation").length,
  vendors.reduce((n, v) => n + new Set(v.gpus.map((g) => g.gpu.generation)).size, 0));
for (const v of ["pass", "fallback", "skip", "fail"])
  same("cells that " + v, all(".strip .v-" + v).length, devices.reduce((n, d) => n + d.probes.filter((p) => p.verdict === v).length, 0));
for (const d of all("details")) {
  d.open = true;
  d.dispatchEvent(new Event("toggle"));
}
plain("unfolded");
all("figure.device").forEach((figure, i) => {
  const d = devices[i], list = all("details", figure).pop();
  same(d.name + ": rows of its probes", all("tbody tr", list).length, d.probes.length);
  same(d.name + ": what did not pass", all(".others li", figure).length, d.probes.filter((p) => p.verdict !== "pass").length);
  const cells = all(".strip .cell", figure);
  cells[0].focus();
  press(cells[0], "ArrowRight");
  same(d.name + ": the cell to the right", document.activeElement, cells[1]);
  if (!said().includes(d.parts.flatMap((p) => p.probes)[1].detail)) wrong.push(d.name + ": the tip says " + said());
  press(cells[1], "Escape");
  same("a tip after Escape", document.getElementById("tip").hidden, true);
  for (const e of all(".bar i", figure))
    if (e.getBoundingClientRect().right > e.parentNode.getBoundingClientRect().right + 1) wrong.push("a bar too long");
});
all("figure.vendor").forEach((figure, i) => {
  const v = vendors[i], [colour, columns, order] = all("select", figure);
  const choose = (s, value) => {
    s.value = value;
    s.dispatchEvent(new Event("change"));
    plain(v.title + ", " + value);
  };
  const heat = () => all(".heat td[tabindex]", figure);
  same(v.title + ": rows of its table", all("tbody tr", all("details", figure).pop()).length, v.gpus.length);
  same(v.title + ": families", heat().length, v.gpus.length * new Set(v.kernels.map((k) => k.split(".")[0])).size);
  choose(columns, "kernels");
  same(v.title + ": kernels", heat().length, v.gpus.length * v.kernels.length);
  same(v.title + ": names of columns", all(".heat thead span", figure).length, v.kernels.length);
  choose(order, "name");
  same(v.title + ": the first by name", figure.querySelector(".heat thead span").textContent, v.kernels[0]);
  const failing = (test) => v.gpus.reduce((n, g) => n + v.kernels.filter((k) => g.failures.some((f) => f.kernel === k && test(f))).length, 0);
  same(v.title + ": excepted", all("td.excepted", figure).length, failing((f) => f.reason !== undefined));
  same(v.title + ": broken", all("td.broken", figure).length, failing((f) => f.reason === undefined));
  for (const o of all("option", colour)) {
    choose(colour, o.value);
    const bare = heat().filter((c) => !c.className && !/^rgb/.test(c.style.background));
    same(v.title + ", " + o.value + ": cells without a colour", bare.length, 0);
  }
  heat()[0].focus();
  press(heat()[0], "ArrowDown");
  const below = v.gpus.length > 1 ? v.kernels.length : 0;
  same(v.title + ": the cell below", heat().indexOf(document.activeElement), below);
  if (!said().includes(v.gpus[below ? 1 : 0].gpu.known_as)) wrong.push(v.title + ": the tip says " + said());
  same(v.title + ": cells for the Tab key", all(".heat td[tabindex='0']", figure).length, 1);
});
for (const e of all("#row pre")) if (!/build\/bin\/|run\.sh/.test(e.textContent)) wrong.push("no commands");
dispatchEvent(new Event("beforeprint"));
dispatchEvent(new Event("afterprint"));
for (const e of all("pre, .scroll:not(.stack)")) if (e.getBoundingClientRect().right > innerWidth) wrong.push("a box wider than the screen");
if (innerWidth < 500)
  for (const e of all(".stack, #row pre")) if (e.scrollWidth > e.clientWidth) wrong.push("scrolls sideways: " + e.textContent.slice(0, 60));
EOF
view all "$(count '"kind": "selftest"')" "$(count '"kind": "compile"')" "$(count '"detail":')"
view hostile 1 1 6
view none 0 0 0
exit "$failed"
