// compiled.js -- GPUs that pipelines were compiled for: a heat map of GPUs and kernels for each vendor, and its table.
"use strict";

const vendors = data.vendors;
const vendorNames = new Map([["amd", "AMD"], ["intel", "Intel"], ["nvidia", "NVIDIA"], ["arm", "Arm"], ["qualcomm", "Qualcomm"]]);
const driverNames = new Map([["radv", "RADV"], ["anv", "ANV"], ["hasvk", "HASVK"]]);

// What a cell can show. more: more is better. share: of the most that any kernel has on the GPU.
const metrics = new Map([
  ["waves", {title: "waves of a SIMD", more: true, share: true}], ["subgroup", {title: "lanes (subgroup)", more: true}],
  ["vgprs", {title: "vector registers"}], ["sgprs", {title: "scalar registers"}],
  ["instructions", {title: "instructions", log: true}], ["spills", {title: "spilled registers"}],
  ["sgpr_spills", {title: "spilled scalar registers"}], ["shared", {title: "shared memory, bytes"}],
  ["scratch", {title: "scratch memory, bytes"}],
]);
const amount = (v) => Math.abs(v) < 1e9 ? whole(v) : number(v);
const metricOf = (name) => metrics.get(name) || {title: name};

for (const v of vendors) {
  v.title = vendorNames.get(v.vendor) || v.vendor;
  v.columns = [...new Set(v.gpus.flatMap((g) => g.values.map(([name]) => name)))];
  const first = [...metrics.keys()].filter((name) => v.columns.includes(name));
  v.columns = [...first, ...v.columns.filter((name) => !first.includes(name))];
  for (const g of v.gpus) {
    g.lists = new Map(g.values.map(([name, i]) => [name, v.lists[i]]));
    g.open = g.failures.filter((f) => f.reason === undefined);
    g.full = Math.max(0, ...(g.lists.get("waves") || []).filter(known));
  }
}

// ---- Columns ----

// Kernels of one name before the first dot are a family: [{name, kernels: [index]}].
function itemsOf(v, families) {
  const items = new Map();
  for (const [i, kernel] of v.kernels.entries()) {
    const name = families ? kernel.split(".")[0] : kernel;
    if (!items.has(name)) items.set(name, {name, kernels: []});
    items.get(name).kernels.push(i);
  }
  return [...items.values()];
}

// The worst of the item's kernels on a GPU, {value, kernel}; null where it has none of them.
function worstOf(g, item, column) {
  const list = g.lists.get(column) || [], more = metricOf(column).more;
  let worst = null;
  for (const kernel of item.kernels) {
    const value = list[kernel];
    if (known(value) && (!worst || (more ? value < worst.value : value > worst.value))) worst = {value, kernel};
  }
  return worst;
}

// What the colours of a heat map stand for: place(value, gpu) in 0 (worst) ... 1 (best), and words for both ends.
function scaleOf(column, values) {
  const m = metricOf(column), log = (value) => Math.log1p(Math.max(value, 0));
  const of = (value, g) => m.share ? (g.full ? value / g.full : 1) : m.log ? log(value) : value;
  const all = values.map(([value, g]) => of(value, g));
  const low = Math.min(...all), high = Math.max(...all), raw = values.map(([value]) => value);
  const ends = m.share ? [percent(low, 0), percent(high, 0)] : [amount(Math.min(...raw)), amount(Math.max(...raw))];
  const place = (value, g) => high > low ? (m.more ? of(value, g) - low : high - of(value, g)) / (high - low) : 1;
  return {place, worst: ends[m.more ? 0 : 1], best: ends[m.more ? 1 : 0], flat: high === low};
}

// ---- The heat map ----

function cellWords(v, g, item, column, worst) {
  const m = metricOf(column);
  const title = item.name + " on " + g.gpu.name;
  const many = item.kernels.length > 1 && worst;
  const more = many ? ", in " + v.kernels[worst.kernel] + ", the worst of " + item.kernels.length : "";
  const full = m.share && worst ? " of " + g.full : "";
  const limit = column === "waves" && worst && g.waves_min ? "; the limit is at least " + g.waves_min : "";
  const others = v.columns.filter((c) => c !== column && worst && known((g.lists.get(c) || [])[worst.kernel]))
    .map((c) => c.replaceAll("_", " ") + " " + g.lists.get(c)[worst.kernel]);
  return {title, lines: [worst ? m.title + ": " + worst.value + full + more + limit : "not compiled for this GPU",
    others.join(", "), ...failuresOf(v, g, item).map(failureWords), g.gpu.known_as + ", " + g.gpu.generation]};
}

function failureWords(f) {
  const what = f.why ? f.what + ": " + f.why : f.what.replaceAll("_", " ") + " " + f.value + ", the limit is " + f.limit;
  return f.kernel + ": " + what + (f.reason ? "; allowed: " + f.reason : "");
}

const failuresOf = (v, g, item) => g.failures.filter((f) => item.kernels.some((k) => v.kernels[k] === f.kernel));
const markOf = (failures) => failures.some((f) => f.reason === undefined) ? "broken" : failures.length ? "excepted" : null;

function heatRows(v, items, column, scale, cells) {
  const bodies = [];
  let generation = null;
  for (const g of v.gpus) {
    if (g.gpu.generation !== generation) {
      generation = g.gpu.generation;
      bodies.push(node("tbody", null, node("tr", {class: "generation"}, node("th", {scope: "rowgroup"}, generation),
        node("td", {colspan: items.length}))));
    }
    bodies[bodies.length - 1].append(node("tr", null,
      node("th", {scope: "row"}, node("b", null, g.gpu.name), node("span", null, g.gpu.known_as)),
      items.map((item) => {
        const worst = worstOf(g, item, column);
        const mark = markOf(failuresOf(v, g, item)) || (worst ? null : "none");
        const cell = node("td", {class: mark, tabindex: cells.size ? "-1" : "0",
          style: worst ? {background: viridis(scale.place(worst.value, g))} : null});
        cells.set(cell, {g, item, worst});
        return cell;
      })));
  }
  return bodies;
}

function heatTable(v, items, column, scale) {
  const cells = new Map();
  const heads = items.map((item) => node("th", {scope: "col"}, node("span", null, item.name)));
  const map = node("table", {class: "heat"},
    node("thead", null, node("tr", null, node("th", null, ""), heads)), heatRows(v, items, column, scale, cells));
  map.style.setProperty("--columns", items.length);
  const rows = [...map.querySelectorAll("tbody tr:not(.generation)")];
  let lit = null;                       // the head of the cell's column
  explain(map, "td[tabindex]", {
    words: (cell) => {
      const c = cells.get(cell);
      return cellWords(v, c.g, c.item, column, c.worst);
    },
    step: (cell, dx, dy) => {
      const row = rows[rows.indexOf(cell.parentNode) + dy], to = row && row.cells[cell.cellIndex + dx];
      return to && cells.has(to) ? to : null;
    },
    at: (cell) => {
      if (lit) lit.classList.remove("at");
      lit = cell ? heads[cell.cellIndex - 1] : null;
      if (lit) lit.classList.add("at");
    },
  });
  return map;
}

function legend(column, scale, v) {
  const stops = Array.from({length: 13}, (_, i) => viridis(i / 12)).join(", ");
  const any = (test) => v.gpus.some((g) => g.failures.some(test));
  return node("ul", {class: "keys legend"},
    node("li", null, scale.flat ? "all " + scale.best : "worst " + scale.worst,
      node("span", {class: "ramp", style: {background: scale.flat ? viridis(1) : `linear-gradient(to right, ${stops})`}}),
      scale.flat ? null : scale.best + " best"),
    metricOf(column).share ? node("li", null, "of the most waves that a kernel has on the GPU") : null,
    any((f) => f.reason !== undefined) ? node("li", null, node("span", {class: "key excepted"}), "beyond a limit, allowed") : null,
    any((f) => f.reason === undefined) ? node("li", null, node("span", {class: "key broken"}), "beyond a limit") : null,
    node("li", null, node("span", {class: "key none"}), "not compiled for the GPU"));
}

// ---- A vendor ----

// Rows of one figure, limit and reason are one: [{f, gpus}].
function exceptionRows(v) {
  const rows = new Map();
  for (const g of v.gpus)
    for (const f of g.failures) {
      const key = JSON.stringify([f.kernel, f.what, f.value, f.limit, f.why, f.reason]);
      if (!rows.has(key)) rows.set(key, {f, gpus: []});
      rows.get(key).gpus.push(g.gpu.name);
    }
  return [...rows.values()].sort((a, b) => (a.f.reason !== undefined) - (b.f.reason !== undefined));
}

function exceptions(v) {
  const rows = exceptionRows(v);
  if (!rows.length) return node("p", {class: "soft"}, "No pipeline is beyond a limit, and none needs an exception.");
  return stack("Beyond a limit", [
    {title: "kernel", cell: ({f}) => [node("span", {class: "key " + markOf([f])}), " ", f.kernel]},
    {title: "what", left: true, cell: ({f}) => f.what}, {title: "value", cell: ({f}) => String(f.value)},
    {title: "limit", cell: ({f}) => String(f.limit)}, {title: "GPUs", left: true, cell: ({gpus}) => gpus.join(", ")},
    {title: "why it is allowed", text: true, cell: ({f}) => f.reason ?? (f.why ? "it is not: " + f.why : "it is not")}], rows);
}

function gpuTable(v) {
  const has = (key) => v.gpus.some((g) => g.summary[key]);
  const worst = (key, title) => has(key) ? [{title, cell: (g) => g.summary[key] ? amount(g.summary[key][0]) : dash},
    {title: "in", left: true, cell: (g) => g.summary[key] ? g.summary[key][1] : dash}] : [];
  const one = (key, title) => has(key) ? [{title, cell: (g) => g.summary[key] ? amount(g.summary[key][0]) : dash}] : [];
  const spills = (g) => Math.max(0, ...g.open.filter((f) => f.what.includes("spills")).map((f) => f.value));
  return stack("GPUs compiled for", [
    {title: "GPU", cell: (g) => g.gpu.name}, {title: "as in", left: true, cell: (g) => g.gpu.known_as},
    {title: "generation", left: true, cell: (g) => g.gpu.generation},
    {title: "driver", left: true, cell: (g) => g.driver.name + ", " + g.driver.version},
    {title: "pipelines", cell: (g) => whole(g.summary.pipelines)},
    ...one("product_vgprs", "VGPRs of products"), ...one("product_lanes", "lanes of products"),
    ...worst("waves", "fewest waves"), ...worst("instructions", "most instructions"),
    {title: "spills", cell: (g) => String(spills(g))}, {title: "excepted", cell: (g) => String(g.summary.excepted)},
    {title: "slowest compile", cell: (g) => number(g.summary.seconds) + "\u202fs"},
    {title: "verdict", cell: (g) => badge(g.summary.pass ? "pass" : "fail")}], v.gpus);
}

const driversOf = (v) => [...new Set(v.gpus.map((g) => (driverNames.get(g.driver.name) || g.driver.name) + " of " +
  g.driver.version))];

function vendorFigure(v) {
  const chosen = {column: v.columns[0], families: "families", order: "worst"};
  const box = node("div", {class: "scroll", role: "region", "aria-label": "Heat map of " + v.title + "; arrow keys move"});
  const keysBox = node("div");
  const refresh = () => {
    hideTip();
    let items = itemsOf(v, chosen.families === "families");
    const values = v.gpus.flatMap((g) => items.map((item) => [worstOf(g, item, chosen.column), g])).filter(([w]) => w)
      .map(([w, g]) => [w.value, g]);
    if (!values.length) {
      box.replaceChildren(node("p", {class: "soft"}, "No figures."));
      return;
    }
    const scale = scaleOf(chosen.column, values);
    const mean = (item) => {
      const list = v.gpus.map((g) => [worstOf(g, item, chosen.column), g]).filter(([w]) => w);
      return list.reduce((sum, [w, g]) => sum + scale.place(w.value, g), 0) / Math.max(list.length, 1);
    };
    if (chosen.order === "worst") {
      const means = new Map(items.map((item) => [item, mean(item)]));
      items = items.slice().sort((a, b) => means.get(a) - means.get(b));
    }
    box.replaceChildren(heatTable(v, items, chosen.column, scale));
    keysBox.replaceChildren(legend(chosen.column, scale, v));
  };
  const choose = (key) => (value) => {
    chosen[key] = value;
    refresh();
  };
  charts.push({refresh});
  const passed = v.gpus.filter((g) => g.summary.pass).length;
  const generations = v.gpus.map((g) => g.gpu.generation), span = [...new Set([generations[0], generations.pop()])].join(" to ");
  return node("figure", {class: "wide vendor"},
    node("div", {class: "heading"}, node("h3", null, v.title), badge(passed === v.gpus.length ? "pass" : "fail")),
    node("figcaption", null, passed + " of " + plural(v.gpus.length, "GPU") + " pass, " + span + ". Compiled by " +
      driversOf(v).join(" and ") + "."),
    node("div", {class: "choices"},
      choice("Colour", v.columns.map((c) => ({value: c, label: metricOf(c).title})), chosen.column, choose("column")),
      choice("Columns", [{value: "families", label: "families of kernels"}, {value: "kernels", label: "kernels"}], chosen.families,
        choose("families")),
      choice("Order", [{value: "worst", label: "worst first"}, {value: "name", label: "by name"}], chosen.order, choose("order"))),
    keysBox, box, exceptions(v), fold("Table: " + plural(v.gpus.length, "GPU"), () => gpuTable(v)));
}

function showCompiled() {
  const s = section("compiled", "GPUs compiled for", "Every pipeline that the GPU would be given, made by the real compilers of " +
    "Mesa on a machine without it. Nothing ran: this shows that the drivers accept the shaders and what they make of them, " +
    "not that results are right or fast. A GPU is a row, oldest first; brighter is better.");
  if (!vendors.length) s.append(node("p", null, "None yet."));
  const without = plural(data.missing.length, "GPU") + " of gpus.c without a result; compile_all --write makes them: ";
  if (data.missing.length) s.append(notes([without + data.missing.join(", ")]));
  s.append(node("div", {class: "figures"}, vendors.map(vendorFigure)));
}
