// base.js -- what all parts of the page share: elements, numbers, colours, charts with their tables.
//
// Text from files only ever becomes text: of elements (textContent), of labels, or drawn on a canvas.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.runs;

// ---- Elements ----

// node("p", {class: "soft"}, "text", child, ...): null children are left out.
function node(name, attributes, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(e.style, value);
    else e.setAttribute(key, value === true ? "" : value);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return e;
}

// A section with its heading and place in the navigation.
function section(id, title, lead) {
  const s = node("section", {id, "aria-labelledby": id + "-title"}, node("h2", {id: id + "-title"}, title),
    lead ? node("p", {class: "lead"}, lead) : null);
  document.querySelector("nav").append(node("a", {href: "#" + id}, title));
  document.querySelector("main").append(s);
  return s;
}

// A table in a box that scrolls. columns: [{title, left, cell(row)}]; the first column heads its row.
function table(caption, columns, rows) {
  const cell = (c, row, i) => {
    const value = c.cell(row);
    return i === 0 ? node("th", {scope: "row"}, value) : node("td", {class: c.text ? "text" : c.left ? "left" : null}, value);
  };
  return node("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": caption}, node("table", null,
    node("caption", null, caption),
    node("thead", null, node("tr", null, columns.map((c, i) =>
      node("th", {scope: "col", class: i === 0 || c.left || c.text ? "left" : null}, c.title)))),
    node("tbody", null, rows.map((row) => node("tr", null, columns.map((c, i) => cell(c, row, i)))))));
}

const bullets = (list) => node("ul", null, list.map((item) => node("li", null, item)));

function notes(list) {
  return list && list.length ? node("div", {class: "notes", role: "note"}, bullets(list)) : null;
}

// A labelled select; options: [{value, label}].
function choice(label, options, value, change) {
  const s = node("select", {onchange: () => change(s.value)}, options.map((o) =>
    node("option", {value: o.value, selected: String(o.value) === String(value)}, o.label)));
  return node("label", null, label, s);
}

// ---- Numbers ----

const known = (v) => typeof v === "number" && Number.isFinite(v);
const dash = "\u2013";

function number(v, digits = 3) {
  if (!known(v)) return dash;
  if (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e6)) return v.toExponential(2);
  return String(Number(v.toPrecision(digits)));
}
const fixed = (v, digits) => known(v) ? v.toFixed(digits) : dash;
const percent = (v, digits = 1) => known(v) ? (100 * v).toFixed(digits) + "\u202f%" : dash;
const whole = (v) => known(v) ? Math.round(v).toLocaleString("en").replace(/,/g, "\u202f") : dash;

function duration(seconds) {
  if (!known(seconds)) return dash;
  const s = Math.round(seconds), minutes = Math.floor(s / 60), pad = (n) => String(n).padStart(2, "0");
  if (s < 60) return s + "\u202fs";
  return s < 3600 ? minutes + ":" + pad(s % 60) : Math.floor(minutes / 60) + ":" + pad(minutes % 60) + ":" + pad(s % 60);
}

// ---- Colours ----

// Okabe and Ito's colours, told apart by all kinds of eyes; light enough or dark enough for the paper.
const palettes = {
  light: ["#0072b2", "#c44e00", "#008462", "#a8457d", "#8a6d00", "#5b4db3", "#b3262a", "#4f7a1d", "#555b61", "#1590a8"],
  dark: ["#56b4e9", "#f0833a", "#2fc79c", "#e08abf", "#e6c229", "#a99cf5", "#ff8080", "#a3cf6f", "#c2c8ce", "#4fd3e8"],
};
const darkness = window.matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const isDark = () => darkness.matches && !printing;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
// While printing the styles of paper hold only once the dialog is open: its colours are said here.
const theme = () => printing ? {ink: "#000", soft: "#444", grid: "#ddd", panel: "#fff", none: "#444"}
  : {ink: css("--ink"), soft: css("--soft"), grid: css("--grid"), panel: css("--panel"), none: css("--null")};

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
function alpha(hex, a) {
  return hex + Math.round(255 * a).toString(16).padStart(2, "0");
}

// Viridis in seven stops (van der Walt, Smith): t in 0 ... 1. Its darkest third would vanish on dark paper.
function viridis(t) {
  if (isDark()) t = .33 + .67 * t;
  const stops = [[68, 1, 84], [70, 50, 127], [54, 92, 141], [39, 127, 142], [31, 161, 135], [74, 194, 109], [200, 220, 50]];
  const at = Math.min(Math.max(t, 0), 1) * 6, i = Math.min(Math.floor(at), 5), f = at - i;
  return "#" + stops[i].map((c, k) => Math.round(c + f * (stops[i + 1][k] - c)).toString(16).padStart(2, "0")).join("");
}

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

const charts = [];          // {make(): config of Chart.js, label(): what it shows in words, canvas, chart}

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

function redraw() {
  for (const c of charts) c.refresh();
}
darkness.addEventListener("change", redraw);
window.addEventListener("beforeprint", () => {
  printing = true;
  redraw();
});
window.addEventListener("afterprint", () => {
  printing = false;
  redraw();
});
