// charts.js -- runs with their colours, and charts of them with their tables.
"use strict";

const runs = data.runs;

// ---- Colours of runs ----

// Colours stand for one of these. A recipe is of all seeds.
const colorKinds = [
  {value: "recipe", label: "recipe", of: (run) => run.group},
  {value: "method", label: "method", of: (run) => run.method},
  {value: "model", label: "model", of: (run) => run.model},
  {value: "run", label: "run", of: (run) => run.index},
];
let colorKind;

function colorBy(kind) {
  const values = [...new Set(runs.map(kind.of))];
  colorKind = kind;
  for (const run of runs) run.color = values.indexOf(kind.of(run));
}
const color = (run) => palettes[isDark() ? "dark" : "light"][run.color % 10];

// ---- Runs shown ----

for (const [i, run] of runs.entries()) {
  run.index = i;
  run.shown = true;
  const recipe = run.manifest.recipe || {};
  const mode = (recipe.injection || {}).mode, labels = recipe.method !== "supervised" && mode && mode !== "ssl";
  run.method = (recipe.method || "?") + (labels ? " + " + mode : "");
  run.seed = recipe.seed;
  run.model = ((recipe.model || {}).arch || "?") + ", width " + ((recipe.model || {}).width ?? "?");
}
{ // Names that stand more than once become paths.
  const count = {};
  for (const run of runs) count[run.name] = (count[run.name] || 0) + 1;
  for (const run of runs) run.label = count[run.name] > 1 ? run.path : run.name;
}
const shown = () => runs.filter((r) => r.shown);
// Ten colours can be told apart: more recipes than these are coloured by what they have in common.
colorBy(colorKinds[new Set(runs.map((r) => r.group)).size > 10 ? 1 : 0]);

// ---- Charts ----

function draw(c) {
  const t = theme();
  Chart.defaults.color = t.soft;
  Chart.defaults.borderColor = t.grid;
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const config = c.make(t);
  if (c.height) c.canvas.parentNode.style.height = c.height(config) + "px";
  if (c.chart) c.chart.destroy();
  c.canvas.setAttribute("aria-label", c.label());
  c.chart = new Chart(c.canvas, config);
}

// A figure: heading, caption, keys, canvas, and its numbers as a table folded under it. parts.runs() are the runs whose
// colours it uses.
function figure(parts) {
  const canvas = node("canvas", {role: "img"});
  const fold = node("details", null, node("summary", null, "Table")), who = node("ul", {class: "keys"});
  const box = node("div", {class: "canvas"}, canvas), c = {make: parts.make, label: parts.label, height: parts.height, canvas};
  const refresh = () => {
    box.style.width = !printing ? "" : parts.wide ? "42rem" : "20rem";      // of a sheet, on which two stand side by side
    draw(c);
    while (fold.children.length > 1) fold.lastChild.remove();
    fold.append(parts.table());
    who.replaceChildren(...(parts.runs && runs.length > 1 ? runKeys(parts.runs()) : []));
  };
  const e = node("figure", {class: parts.wide ? "wide" : null}, node("h3", null, parts.title),
    parts.caption ? node("figcaption", null, parts.caption) : null, parts.keys ? keys(parts.keys) : null,
    parts.runs ? who : null, box, fold);
  charts.push({refresh});
  return e;
}

// Whose colour is which: [node]. Of many runs of one colour the first stands for all.
function runKeys(list) {
  const named = ["method", "model"].includes(colorKind.value), names = new Map();
  for (const run of list) {
    const c = color(run), name = named ? colorKind.of(run) : run.label;
    names.set(c, new Set([...(names.get(c) || []), name]));
  }
  const say = (set) => set.size < 3 ? [...set].join(", ") : [...set][0] + " and " + (set.size - 1) + " more";
  return [...names].map(([c, set]) => node("li", null, node("span", {class: "swatch", style: {background: c}}), say(set)));
}

// What the lines of a chart mean: [{label, dash, band, dot}].
function keys(list) {
  const svg = (k) => {
    const s = document.createElementNS("http://www.w3.org/2000/svg", "svg"), ns = s.namespaceURI;
    const add = (name, attributes) => {
      const e = document.createElementNS(ns, name);
      for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
      s.append(e);
    };
    s.setAttribute("width", 26);
    s.setAttribute("height", 10);
    s.setAttribute("aria-hidden", "true");
    if (k.dot) add("circle", {cx: 13, cy: 5, r: 3.5, fill: "currentColor"});
    else if (k.tick) add("line", {x1: 13, x2: 13, y1: 0, y2: 10, stroke: "currentColor", "stroke-width": 2.5});
    else add("line", {x1: 0, x2: 26, y1: 5, y2: 5, stroke: "currentColor", "stroke-width": k.width || 2,
      "stroke-dasharray": (k.dash || []).join(" ")});
    return s;
  };
  return node("ul", {class: "keys"}, list.map((k) => node("li", null, svg(k), k.label)));
}

function axis(t, title, more) {
  return Object.assign({title: {display: Boolean(title), text: title, color: t.soft}, grid: {color: t.grid, borderColor: t.grid},
    ticks: {color: t.soft, maxRotation: 0, autoSkipPadding: 12}}, more);
}

// An axis of names, of which long ones lose their middle.
function nameAxis(t, more) {
  const most = window.innerWidth < 600 ? 18 : 34, half = most / 2 - 1;
  const shorten = (s) => s.length <= most ? s : s.slice(0, half) + "\u2026" + s.slice(-half);
  return axis(t, "", {grid: {display: false}, offset: true, ticks: {color: t.soft, callback(v) {
    return shorten(String(this.getLabelForValue(v)));
  }, ...more}});
}

const plainOptions = {animation: false, responsive: true, maintainAspectRatio: false, plugins: {legend: {display: false}}};
