// ran.js -- devices that ran `vkdiv selftest`: verdict, a strip of probes, speed, capabilities, what did not pass.
"use strict";

const verdicts = ["pass", "fallback", "skip", "fail"];
const verdictWords = {
  pass: "right", fallback: "right, but a faster or larger way is closed", skip: "not tried", fail: "wrong, crashed or hung",
};
const devices = data.devices;
const few = 3;              // devices that are shown with all they have at once; of more there is a table first

for (const d of devices) {
  d.probes = d.probes.map(([name, verdict, detail, ms, numbers]) => {
    const dot = name.indexOf(".");
    const part = name.slice(0, Math.max(dot, 0)), short = name.slice(dot + 1);
    return {name, verdict, detail, ms, numbers: numbers || {}, part, short};
  });
  d.name = d.device ?? d.file ?? "a device without a name";
  const titles = new Map(d.parts), names = [...new Set([...titles.keys(), ...d.probes.map((p) => p.part)])];
  d.parts = names.map((name) => ({name, title: titles.get(name) || name || "no part"}));
  for (const part of d.parts) part.probes = d.probes.filter((p) => p.part === part.name);
  d.parts = d.parts.filter((part) => part.probes.length);
}
devices.sort((a, b) => (a.identity.type === "cpu") - (b.identity.type === "cpu"));     // GPUs first

const plural = (n, one) => whole(n) + " " + one + (n === 1 ? "" : "s");
const sign = (verdict) => node("span", {class: "cell v-" + verdict, "aria-hidden": "true"});
const seconds = (ms) => known(ms) ? (ms < 1000 ? Math.round(ms) + "\u202fms" : number(ms / 1000) + "\u202fs") : dash;

function badge(verdict) {
  return node("span", {class: "badge"}, sign(verdict), verdict);
}

// ---- The strip ----

function strip(d) {
  const probes = d.parts.flatMap((part) => part.probes), cells = new Map();
  const parts = d.parts.map((part) => node("div", {class: "part"}, node("span", {class: "soft"}, part.title),
    node("div", {class: "cells"}, part.probes.map((p) => {
      const cell = node("span", {class: "cell v-" + p.verdict, role: "img", tabindex: p === probes[0] ? "0" : "-1",
        "aria-label": p.name + ": " + p.verdict});
      cells.set(cell, p);
      return cell;
    }))));
  const box = node("div", {class: "strip", role: "group", "aria-label": "Probes of " + d.name + "; arrow keys move"}, parts);
  const order = [...cells.keys()];
  explain(box, ".strip .cell", {
    words: (cell) => {
      const p = cells.get(cell);
      return {title: p.name + ": " + p.verdict, lines: [p.detail, seconds(p.ms)]};
    },
    step: (cell, dx, dy) => order[order.indexOf(cell) + dx + dy] || null,
  });
  return box;
}

// ---- Speed ----

const words = (v) => typeof v === "string" ? v : dash;
const numbersOf = (d, name) => (d.probes.find((p) => p.name === name) || {numbers: {}}).numbers;
const sharesOf = (d, name) => Object.entries(numbersOf(d, name)).filter(([key, v]) => key.endsWith("_share") && known(v))
  .map(([key, v]) => ({what: key.slice(0, -6), share: v, ms: numbersOf(d, name)[key.slice(0, -6) + "_ms"],
    kernels: words(numbersOf(d, name)[key.slice(0, -6) + "_kernels"]).replaceAll("+", " + ")}));

// [title, of(device): {low, high, text} or null]; low: the slowest where several were measured.
const speeds = [
  ["copies", (d) => rate(numbersOf(d, "performance.roofline").copy_gb_s, "GB/s")],
  ["f32", (d) => rate(numbersOf(d, "performance.roofline").f32_gflops, "GFLOP/s")],
  ["f16", (d) => rate(numbersOf(d, "performance.roofline").f16_gflops, "GFLOP/s")],
  ["products", (d) => shares(sharesOf(d, "performance.gemm"))],
  ["convolutions", (d) => shares(sharesOf(d, "performance.conv"))],
];
const rate = (v, unit) => known(v) ? {high: v, text: number(v) + "\u202f" + unit} : null;

function shares(list) {
  if (!list.length) return null;
  const all = list.map((s) => s.share), low = Math.min(...all), high = Math.max(...all);
  return {low, high, share: true, text: percent(low, 0) + " to " + percent(high, 0)};
}

// Bars are of the best device's length; shares of the measured f32 have a line where it is reached.
function speedBars(d) {
  const rows = speeds.map(([title, of]) => ({title, of, v: of(d)})).filter((r) => r.v);
  if (!rows.length) return node("p", {class: "soft"}, "No probe of performance has figures.");
  return node("dl", {class: "bars"}, rows.map(({title, of, v}) => {
    const most = Math.max(...devices.map((o) => (of(o) || {high: 0}).high), v.share ? 1 : 0);
    const width = (x) => ({width: (most > 0 ? 100 * Math.max(x, 0) / most : 0) + "%"});
    return node("div", null, node("dt", null, title), node("dd", null, node("span", {class: "bar", "aria-hidden": "true"},
      node("i", {class: known(v.low) ? "high" : "low", style: width(v.high)}),
      known(v.low) ? node("i", {class: "low", style: width(v.low)}) : null,
      v.share ? node("i", {class: "roof", style: {left: 100 / most + "%"}}) : null)), node("dd", {class: "figure"}, v.text));
  }));
}

function speedTable(d) {
  const rows = [...sharesOf(d, "performance.gemm"), ...sharesOf(d, "performance.conv")];
  return !rows.length ? null : fold("Each product and convolution", () => stack("Each product and convolution", [
    {title: "what", cell: (r) => r.what}, {title: "time", cell: (r) => known(r.ms) ? number(r.ms) + "\u202fms" : dash},
    {title: "share of f32", cell: (r) => percent(r.share, 0)},
    {title: "kernels", text: true, cell: (r) => r.kernels}], rows));
}

// ---- Capabilities ----

function bytes(v) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; v >= 1023.5 && i < 4; i++) v /= 1024;
  return number(v, 4) + "\u202f" + units[i];
}

// What was measured under the first of these names, and what the driver says.
const measures = [["measured", whole], ["invocations", whole], ["texels", whole], ["bytes", bytes],
  ["tick_ns", (v) => number(v) + "\u202fns"]];

function capability(p) {
  const m = measures.find(([name]) => known(p.numbers[name]));
  const show = (name) => m && known(p.numbers[name]) ? m[1](p.numbers[name]) : none();
  return {measured: show(m ? m[0] : ""), advertised: show("advertised")};
}

function capabilities(d) {
  const part = d.parts.find((x) => x.name === "capabilities");
  if (!part) return null;
  return fold("Capabilities, measured and advertised", () => stack("Capabilities", [
    {title: "capability", cell: (p) => [sign(p.verdict), " ", p.short.replaceAll("_", " ")]},
    {title: "measured", cell: (p) => capability(p).measured}, {title: "advertised", cell: (p) => capability(p).advertised},
    {title: "what was found", text: true, cell: (p) => p.detail}], part.probes), devices.length <= few);
}

// ---- A device ----

// Details whose content is made when they open.
function fold(title, make, open) {
  const box = node("details", {open}, node("summary", null, title));
  const fill = () => {
    if (box.open && box.children.length === 1) box.append(make());
  };
  box.addEventListener("toggle", fill);
  fill();
  return box;
}

// A table whose rows become paragraphs where the screen is narrow.
function stack(caption, columns, rows) {
  const box = table(caption, columns, rows);
  box.classList.add("stack");
  return box;
}

function others(d) {
  const rows = d.parts.flatMap((part) => part.probes).filter((p) => p.verdict !== "pass");
  const list = verdicts.slice().reverse().flatMap((v) => rows.filter((p) => p.verdict === v));
  return [node("h4", null, "Not a pass"), list.length
    ? node("ul", {class: "others"}, list.map((p) => node("li", null, sign(p.verdict),
      node("div", null, node("b", null, p.name), " ", p.verdict + ": ", p.detail))))
    : node("p", {class: "soft"}, "Nothing: every probe passes.")];
}

const none = () => node("span", {class: "dash"}, dash);
const joined = (list) => list.filter((s) => s !== undefined && s !== null && s !== "").join(" \u00b7 ");

function card(d) {
  const id = d.identity;
  const about = joined([id.type, joined([id.driver, id.driver_info]), id.api ? "Vulkan " + id.api : null, id.os]);
  const run = joined([d.date, "vkdiv " + d.version, duration(d.seconds), d.quick ? "quick: long probes left out" : null,
    d.filter ? "only " + d.filter : null]);
  return node("figure", {class: "wide device", id: "device-" + devices.indexOf(d)},
    node("div", {class: "heading"}, node("h3", null, d.name), badge(d.verdict)),
    node("figcaption", null, about, node("br"), run),
    node("ul", {class: "counts"}, verdicts.map((v) => node("li", {title: verdictWords[v], class: d.counts[v] ? null : "none"},
      sign(v), node("b", null, String(d.counts[v])), " " + v))),
    strip(d),
    node("div", {class: "halves"},
      node("div", null, node("h4", null, "Speed"), speedBars(d)), node("div", null, others(d))),
    capabilities(d), speedTable(d),
    fold("All " + plural(d.probes.length, "probe"), () => stack("All probes", [
      {title: "probe", cell: (p) => [sign(p.verdict), " ", p.name]}, {title: "verdict", left: true, cell: (p) => p.verdict},
      {title: "time", cell: (p) => seconds(p.ms)}, {title: "what was found", text: true, cell: (p) => p.detail}], d.probes)));
}

function overview() {
  return stack("All devices", [
    {title: "device", cell: (d) => node("a", {href: "#device-" + devices.indexOf(d)}, d.name)},
    {title: "verdict", left: true, cell: (d) => badge(d.verdict)},
    {title: "type", left: true, cell: (d) => d.identity.type ?? dash},
    ...verdicts.map((v) => ({title: v, cell: (d) => String(d.counts[v])})),
    ...speeds.map(([title, of]) => ({title, cell: (d) => (of(d) || {text: none()}).text}))], devices);
}

function showRan() {
  const s = section("ran", "Devices that ran", "The probes of vkdiv selftest, each in a process of its own: operations " +
    "against their definitions in double precision, trainings against PyTorch's losses, capabilities measured and not " +
    "believed, known traps of drivers. A cell is a probe.");
  if (!devices.length) {
    s.append(node("p", null, "None yet."));
    return;
  }
  const meanings = verdicts.map((v) => node("li", null, sign(v), node("b", null, v), " " + verdictWords[v]));
  s.append(...[node("ul", {class: "keys"}, meanings),
    node("p", {class: "soft"}, "Bars stand beside the best device of this page. Products and convolutions: the share of the " +
      "measured f32 from the slowest (dark) to the fastest (light); the line is 100\u202f%. Winograd, which saves " +
      "multiplications, can pass it."),
    devices.length > few ? overview() : null,
    node("div", {class: "figures"}, devices.map(card))].filter(Boolean));
}
