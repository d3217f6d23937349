// base.js -- what all pages share: elements, tables, numbers, colours, and drawing anew when they change.
//
// Text from files only ever becomes text: of elements (textContent), of labels, or drawn on a canvas.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

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
    if (i === 0) return node("th", {scope: "row"}, value);
    return node("td", {class: c.text ? "text" : c.left ? "left" : null, "data-title": c.title}, value);
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

// ---- Drawn anew: on other colours, other choices, and for paper ----

const charts = [];          // whatever has a refresh()

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
