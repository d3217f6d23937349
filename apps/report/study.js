// study.js -- the joint claim: transfer against accuracy, coloured by diversity. All statistics come from the file.
"use strict";

const study = data.study;
const joint = {name: null};

const fitOf = (name) => (study.fits || []).find((f) => f.diversity === name);
const modelName = (m) => m.name || String(m.run);

// The models of a measure: those with accuracy (log-odds), transfer (mean centred log-odds) and its value.
function studyPoints() {
  const point = (m) => ({model: m, x: (m.base || {}).log_odds, y: m.y, d: (m.diversity || {})[joint.name]});
  return (study.models || []).map(point).filter((p) => known(p.x) && known(p.y) && known(p.d));
}

// Viridis between the 5th and the 95th percentile, so that one outlier does not take all colours.
function colorScale(points) {
  const values = points.map((p) => p.d).sort((a, b) => a - b), at = (q) => values[Math.round(q * (values.length - 1))];
  const low = at(.05), high = at(.95);
  return {low, high, of: (d) => viridis(high > low ? (d - low) / (high - low) : .5)};
}

// A fitted line and the band around it.
function lineDatasets(line, label, ink, dash) {
  const xy = (ys) => line.x.map((x, i) => ({x, y: ys[i]})).filter((p) => known(p.y));
  const edge = {type: "line", borderWidth: 0, pointRadius: 0, pointHitRadius: 0, borderColor: "transparent"};
  return [
    {...edge, label: label + ", low", data: xy(line.low || [])},
    {...edge, label: label + ", high", data: xy(line.high || []), fill: "-1", backgroundColor: alpha(ink, .13)},
    {type: "line", label, data: xy(line.y), borderColor: ink, borderWidth: 2, borderDash: dash, pointRadius: 0, pointHitRadius: 0},
  ];
}

function studyConfig(t) {
  const points = studyPoints(), scale = colorScale(points), lines = (fitOf(joint.name) || {}).lines || {};
  const datasets = [{
    type: "scatter", label: "models", data: points, pointRadius: 5.5, pointHoverRadius: 7, borderWidth: 1, borderColor: t.soft,
    backgroundColor: points.map((p) => scale.of(p.d)), pointStyle: points.map((p) => shape(p.model).style),
  }];
  for (const line of lines.joint || [])
    datasets.push(...lineDatasets(line, "joint fit at z = " + line.z, viridis(line.z < 0 ? .15 : .75), []));
  if (lines.accuracy) datasets.push(...lineDatasets(lines.accuracy, "accuracy alone", isDark() ? "#e8eaed" : "#1d2125", [6, 4]));
  const words = (p) => modelName(p.model) + ": accuracy " + percent(p.model.base_accuracy) + ", " + joint.name + " " + number(p.d) +
    ", transfer " + number(p.y);
  const tip = {filter: (i) => i.datasetIndex === 0, callbacks: {label: (i) => words(points[i.dataIndex])}};
  return {type: "scatter", data: {datasets}, options: {...plainOptions, plugins: {legend: {display: false}, tooltip: tip},
    scales: {x: axis(t, "log-odds of base accuracy", {}), y: axis(t, "transfer: mean log-odds over tasks, centred", {})}}};
}

// Architectures are told by their shapes.
const shapes = [{style: "circle", sign: "\u25cf"}, {style: "rectRot", sign: "\u25c6"}, {style: "triangle", sign: "\u25b2"},
  {style: "rect", sign: "\u25a0"}, {style: "star", sign: "\u2736"}];
const archs = () => [...new Set((study.models || []).map((m) => m.arch))];
const shape = (model) => shapes[archs().indexOf(model.arch) % shapes.length];

function studyTable() {
  return table("Models of the fit", [{title: "model", cell: (p) => modelName(p.model)},
    {title: "architecture", left: true, cell: (p) => p.model.arch || dash},
    {title: "base accuracy", cell: (p) => percent(p.model.base_accuracy)}, {title: joint.name, cell: (p) => number(p.d)},
    {title: "transfer, centred log-odds", cell: (p) => fixed(p.y, 3)}], studyPoints().sort((a, b) => b.y - a.y));
}

function studyLabel() {
  const f = fitOf(joint.name) || {};
  return "Scatter of transfer against accuracy of " + studyPoints().length + " models, coloured by " + joint.name +
    ". R\u00b2 of accuracy alone " + number(f.r2_accuracy) + ", with diversity " + number(f.r2_joint) +
    "; of recipes left out " + number(f.recipe_loo_r2_accuracy) + " and " + number(f.recipe_loo_r2_joint) + ".";
}

function fitsTable() {
  const at = (title, key, digits = 3) => ({title, cell: (f) => fixed(f[key], digits)});
  const range = (f) => known(f.low) ? "[" + fixed(f.low, 2) + ", " + fixed(f.high, 2) + "]" : "";
  return table("Does diversity explain transfer beyond accuracy?", [{title: "diversity", cell: (f) => f.diversity},
    at("R\u00b2 accuracy", "r2_accuracy"), at("R\u00b2 joint", "r2_joint"),
    at("R\u00b2 of recipes left out, accuracy", "recipe_loo_r2_accuracy"),
    at("R\u00b2 of recipes left out, joint", "recipe_loo_r2_joint"),
    {title: "partial correlation", cell: (f) => [fixed(f.partial_correlation, 3) + " ", node("span", {class: "range"}, range(f))]},
    at("p", "p", 4), at("p, Holm", "p_holm", 4), at("Spearman", "spearman", 2), at("Kendall", "kendall", 2)], study.fits || []);
}

function perTaskTable() {
  const of = (t) => t.fits.filter((f) => f.diversity === joint.name).map((f) => ({...f, task: t.name}));
  const list = (study.per_task || []).flatMap(of);
  const at = (title, key) => ({title, cell: (r) => fixed(r[key], 3)});
  return table("Task by task, with " + joint.name, [{title: "task", cell: (r) => r.task},
    {title: "models", cell: (r) => whole(r.models)}, at("R\u00b2 accuracy", "r2_accuracy"), at("R\u00b2 joint", "r2_joint"),
    at("R\u00b2 of recipes left out, accuracy", "recipe_loo_r2_accuracy"),
    at("R\u00b2 of recipes left out, joint", "recipe_loo_r2_joint"),
    at("partial correlation", "partial_correlation"), at("Spearman", "spearman")], list);
}

// The colours' scale as a strip from low to high.
function colorBar() {
  const low = node("span"), high = node("span"), strip = node("span", {class: "tile ramp", "aria-hidden": "true"});
  const refresh = () => {
    strip.style.background = "linear-gradient(90deg, " + [0, .2, .4, .6, .8, 1].map(viridis).join(", ") + ")";
    const points = studyPoints(), s = points.length ? colorScale(points) : {};
    low.textContent = joint.name + " " + number(s.low);
    high.textContent = number(s.high);
  };
  charts.push({refresh});
  return node("span", {class: "keys"}, low, strip, high);
}

function studyCaption() {
  const list = archs().map((a, i) => a + " " + shapes[i % shapes.length].sign).join(", ");
  return node("span", null, "A dot is a model; shapes are architectures: " + list + ". Bands hold 95\u202f% of the fits to " +
    "resampled recipes.", colorBar());
}

function showStudy() {
  if (!study) return;
  const measured = (study.fits || []).filter((f) => (study.models || []).some((m) => known((m.diversity || {})[f.diversity])));
  const s = section("study", "Accuracy, diversity and transfer",
    "Whether accuracy and diversity together explain transfer better than accuracy alone.");
  if (study.verdict) s.append(node("p", {class: "verdict"}, study.verdict));
  if (study.falsifier) s.append(node("p", {class: "soft"}, study.falsifier));
  if (!measured.length) {
    s.append(node("p", null, "The study has no fit."));
    return;
  }
  joint.name = measured[0].diversity;
  const tasksBox = node("div"), names = measured.map((f) => ({value: f.diversity, label: f.diversity}));
  charts.push({refresh: () => tasksBox.replaceChildren((study.per_task || []).length ? perTaskTable() : "")});
  s.append(fitsTable(), node("div", {class: "choices"}, choice("Diversity", names, joint.name, (v) => {
    joint.name = v;
    redraw();
  })), node("div", {class: "figures"}, figure({
    title: "Transfer against accuracy", wide: true, make: studyConfig, label: studyLabel, table: studyTable, height: () => 420,
    caption: studyCaption(),
    keys: [{label: "accuracy alone", dash: [6, 4]},
      {label: "joint fit, one standard deviation of diversity below and above the mean"}],
  })), tasksBox);
}
