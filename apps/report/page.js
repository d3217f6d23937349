// page.js -- puts the page together: header, table of runs, sections, manifests.
"use strict";

// ---- Header ----

function lastOf(run, kind, name) {
  const list = (run.curves[kind] || {})[name] || [];
  return list.length ? list[list.length - 1] : null;
}
const accuracyOf = (run) => {
  const a = (run.manifest.results || {}).test_accuracy;
  return run.curves.eval && (run.curves.eval.top1 || run.curves.eval.map) ? a : null;
};
// Where labels teach nothing that the classifier stands on, it is a probe.
function isProbe(run) {
  const {method, injection} = run.manifest.recipe || {};
  return method !== "supervised" && Boolean(injection) && (injection.mode === "ssl" || injection.head_depth > 0);
}
const device = (run) => (run.manifest.device || {}).name;

function showHeader() {
  document.querySelector(".made").textContent = "vkdiv " + data.vkdiv + " \u00b7 " + data.made;
  const facts = [];
  const add = (value, name) => {
    if (value && value !== dash) facts.push(node("li", null, node("b", null, value), node("span", null, name)));
  };
  if (runs.length === 1) {
    const [run] = runs, r = run.manifest.results || {};
    add(run.method, "method");
    add(percent(accuracyOf(run), 2), isProbe(run) ? "test accuracy of a linear probe" : "test accuracy");
    add(percent(lastOf(run, "eval", "knn"), 2), "nearest neighbours");
    add(number(lastOf(run, "diversity", "rankme")), "RankMe");
    add(whole(r.steps), "steps");
    add(duration(r.seconds), "of training");
    add(device(run), "device");
  } else {
    const recipes = new Set(runs.map((r) => r.group)).size;
    add(String(runs.length), "runs");
    add(String(recipes), recipes === 1 ? "recipe" : "recipes");
    add([...new Set(runs.map(device))].filter(Boolean).length === 1 ? device(runs[0]) : null, "device");
  }
  document.querySelector(".facts").append(...facts);
  const of = (run) => (run.notes || []).map((n) => runs.length > 1 ? run.label + ": " + n : n);
  const list = [...(data.notes || []), ...runs.flatMap(of)], box = notes(list.slice(0, 12));
  if (box && list.length > 12)
    box.append(node("details", null, node("summary", null, list.length - 12 + " more"), bullets(list.slice(12))));
  if (box) document.querySelector("header").append(box);
}

// ---- Runs ----

const swatches = [];
function swatch(run) {
  const s = node("span", {class: "swatch"});
  swatches.push({refresh: () => s.style.setProperty("background", color(run))});
  return s;
}

function runName(run) {
  if (runs.length === 1) return run.label;
  return node("label", null, node("input", {type: "checkbox", checked: run.shown, onchange: (e) => {
    run.shown = e.target.checked;
    e.target.closest("tr").classList.toggle("off", !run.shown);
    redraw();
  }}), swatch(run), run.label);
}

function showAll(value) {
  for (const run of runs) run.shown = value;
  for (const box of document.querySelectorAll(".runs input")) {
    box.checked = value;
    box.closest("tr").classList.toggle("off", !value);
  }
  redraw();
}

const state = (run) => {
  const r = run.manifest.results;
  return !r ? "running or broken off" : r.complete ? "complete" : "stopped";
};

function showRuns() {
  const trainedOn = (run) => lastPart(((run.manifest.recipe || {}).data || {}).train);
  const results = (run) => run.manifest.results || {};
  const s = section("runs", runs.length > 1 ? "Runs" : "The run", runs.length > 1 ? "Ticked runs are drawn in the charts." : null);
  if (runs.length > 1)
    s.append(node("div", {class: "choices"}, node("button", {type: "button", onclick: () => showAll(true)}, "Show all"),
      node("button", {type: "button", onclick: () => showAll(false)}, "Hide all"),
      choice("A colour is a", colorKinds, colorKind.value, (v) => {
        colorBy(colorKinds.find((k) => k.value === v));
        redraw();
      })));
  s.append(node("div", {class: "runs"}, table("What was trained, and what came out", [
    {title: "run", cell: runName}, {title: "method", left: true, cell: (r) => r.method},
    {title: "model", left: true, cell: (r) => r.model}, {title: "data", left: true, cell: trainedOn},
    {title: "seed", cell: (r) => r.seed ?? dash}, {title: "steps", cell: (r) => whole(results(r).steps)},
    {title: "test accuracy", cell: (r) => percent(accuracyOf(r), 2) + (known(accuracyOf(r)) && isProbe(r) ? " (probe)" : "")},
    {title: "neighbours", cell: (r) => percent(lastOf(r, "eval", "knn"), 2)},
    {title: "RankMe", cell: (r) => number(lastOf(r, "diversity", "rankme"))},
    {title: "time", cell: (r) => duration(results(r).seconds)}, {title: "state", left: true, cell: state}], runs)));
}

// ---- Manifests ----

function showManifests() {
  const s = section("manifest", runs.length > 1 ? "Manifests" : "Manifest",
    "run.json: the resolved recipe, versions, device, data and results.");
  for (const run of runs) {
    const pre = node("pre", {tabindex: "0"});
    const fold = node("details", {open: runs.length === 1}, node("summary", null, run.path), pre);
    const fill = () => pre.textContent = pre.textContent || JSON.stringify(run.manifest, null, 2);
    fold.addEventListener("toggle", fill);
    if (runs.length === 1) fill();
    s.append(node("p", null, node("code", null, run.manifest.command || "")), fold);
  }
}

showHeader();
showRuns();
showCurves();
showDiversity();
showTransfer();
showStudy();
showFilters();
showImages();
showManifests();
charts.push(...swatches);
redraw();
document.documentElement.dataset.drawn = "yes";
