// diversity.js -- filters layer by layer beside random ones of the same shape, and what was measured of features.
"use strict";

const measures = [
  {value: "clusters", label: "clusters of filters", axis: "clusters / filters",
    says: "Filters that do not repeat another, at the distance where random ones begin to merge. Below the mark: less " +
      "diverse than chance."},
  {value: "effective_rank", label: "effective rank", axis: "effective rank",
    says: "Directions that the filters of a layer use. Below the mark: less diverse than chance."},
  {value: "mean_abs_cos", label: "mean |cos| of filters", axis: "mean |cos|",
    says: "How alike filters are on average. Above the mark: less diverse than chance."},
];
const diverse = {measure: measures[0], run: "all"};

const withLayers = () => runs.filter((r) => r.diversity && r.diversity.layers.length);
const ratio = (pair) => pair && known(pair[0]) && known(pair[1]) && pair[1] !== 0 ? pair[0] / pair[1] : null;

// The runs of the chart, and all their layers in the order of first appearance.
function diversityRows() {
  const list = diverse.run === "all" ? withLayers().filter((r) => r.shown) : [runs[diverse.run]];
  const names = [];
  for (const run of list) for (const l of run.diversity.layers) if (!names.includes(l.name)) names.push(l.name);
  return {list, names, pair: (run, name) => (run.diversity.layers.find((l) => l.name === name) || {})[diverse.measure.value]};
}

// Of one run: bars, and marks at the null.
function oneRunConfig(t, {list, names, pair}) {
  const [run] = list, at = (k) => names.map((n) => (pair(run, n) || [])[k]);
  return {
    data: {labels: names, datasets: [
      {type: "line", label: "random filters", data: at(1), showLine: false, pointStyle: "line", pointRotation: 90, pointRadius: 7,
        pointHoverRadius: 9, borderColor: t.ink, borderWidth: 2.5, pointBorderWidth: 2.5},
      {type: "bar", label: run.label, data: at(0), backgroundColor: alpha(color(run), .75), barPercentage: .8,
        categoryPercentage: .9, minBarLength: 2},
    ]},
    options: {scales: {x: axis(t, diverse.measure.axis, {beginAtZero: true})}},
  };
}

// Of several runs: each a line of ratios to its null.
function allRunsConfig(t, {list, names, pair}) {
  const datasets = list.map((run) => ({
    type: "line", label: run.label, data: names.map((n) => ratio(pair(run, n))),
    borderColor: color(run), backgroundColor: color(run), borderWidth: 1.75, pointRadius: list.length < 9 ? 3 : 1.5, spanGaps: true,
  }));
  datasets.push({type: "line", label: "random filters", data: names.map(() => 1), borderColor: t.ink, borderWidth: 2.5,
    pointRadius: 0});
  const x = axis(t, diverse.measure.axis + ", ratio to random filters", {beginAtZero: false});
  return {data: {labels: names, datasets}, options: {scales: {x}}};
}

function diversityConfig(t) {
  const rows = diversityRows(), c = diverse.run === "all" ? allRunsConfig(t, rows) : oneRunConfig(t, rows);
  const tip = {label: (i) => i.dataset.label + " " + number(i.parsed.x)};
  c.type = "bar";
  c.options = {...plainOptions, indexAxis: "y", interaction: {mode: "nearest", intersect: false},
    plugins: {legend: {display: false}, tooltip: {callbacks: tip}},
    scales: {...c.options.scales, y: nameAxis(t, {autoSkip: rows.names.length > 40, font: {size: 11}})}};
  return c;
}

function diversityTable() {
  const {list, names, pair} = diversityRows();
  const of = (run, name) => run.diversity.layers.find((l) => l.name === name) || {};
  if (diverse.run === "all")
    return table(diverse.measure.label + ": ratio to random filters", [{title: "layer", cell: (n) => n},
      ...list.map((run) => ({title: run.label, cell: (n) => number(ratio(pair(run, n)))}))], names);
  const run = list[0];
  const rows = names.map((name) => ({name, layer: of(run, name), pair: pair(run, name) || []}));
  const dead = rows.some((r) => r.layer.dead > 0) ? [{title: "dead", cell: (r) => whole(r.layer.dead)}] : [];
  return table(diverse.measure.label + " of " + run.label, [{title: "layer", cell: (r) => r.name},
    {title: "kind", left: true, cell: (r) => r.layer.kind}, {title: "filters", cell: (r) => whole(r.layer.filters)}, ...dead,
    {title: "weights each", cell: (r) => whole(r.layer.fan_in)}, {title: "found", cell: (r) => number(r.pair[0])},
    {title: "random", cell: (r) => number(r.pair[1])}, {title: "ratio", cell: (r) => number(ratio(r.pair))}], rows);
}

function diversityLabel() {
  const {list, names, pair} = diversityRows();
  const some = list.slice(0, 6).map((run) => {
    const values = names.map((n) => ratio(pair(run, n))).filter(known);
    return run.label + ": " + number(Math.min(...values)) + " to " + number(Math.max(...values)) + " of random filters";
  });
  return "Chart of " + diverse.measure.label + " in " + names.length + " layers. " + some.join("; ");
}

function featuresTable(list) {
  const of = (r) => r.diversity.features;
  const times = (x) => known(x) ? " \u00d7" + number(x) : "";
  const at = (title, key) => ({title, cell: (r) => number(of(r)[key]) + times((of(r).ratio || {})[key])});
  const clusters = {title: "channel clusters", cell: (r) => {
    const pair = of(r).channel_clusters;
    return pair ? number(pair[0]) + times(ratio(pair)) : "";
  }};
  return table("Diversity of features, and \u00d7 what untrained networks of the same make have on the same images", [
    {title: "run", cell: (r) => r.label}, {title: "data", left: true, cell: (r) => of(r).data},
    {title: "images", cell: (r) => whole(of(r).images)}, {title: "dimensions", cell: (r) => whole(of(r).dim)},
    at("RankMe", "rankme"), at("eigenvalue rank", "eigen_rank"), at("LiDAR", "lidar"), at("Vendi", "vendi"),
    at("alpha-ReQ", "alpha_req"), at("std", "std"), at("class separation", "class_separation"), clusters], list);
}

function showDiversity() {
  const list = withLayers(), features = runs.filter((r) => r.diversity && r.diversity.features);
  if (!list.length && !features.length) return;
  const s = section("diversity", "Diversity of filters",
    "An untrained network is as diverse as can be: read this beside accuracy, never alone.");
  if (list.length) {
    diverse.run = list.length === 1 ? list[0].index : "all";
    const says = node("span", null, diverse.measure.says), each = list.map((r) => ({value: r.index, label: r.label}));
    s.append(node("div", {class: "choices"},
      choice("Measure", measures, diverse.measure.value, (v) => {
        diverse.measure = measures.find((m) => m.value === v);
        says.textContent = diverse.measure.says;
        redraw();
      }),
      list.length > 1 ? choice("Run", [{value: "all", label: "all shown, as ratio to random"}, ...each], "all", (v) => {
        diverse.run = v;
        redraw();
      }) : null),
    node("div", {class: "figures"}, figure({
      title: "Layer by layer", wide: true, caption: says, make: diversityConfig, label: diversityLabel, table: diversityTable,
      runs: () => diverse.run === "all" ? diversityRows().list : [],
      height: (config) => 70 + Math.max(4, config.data.labels.length) * (config.data.labels.length > 30 ? 15 : 21),
      keys: [{label: "random filters of the same shape (line or mark)", tick: true}],
    })));
  }
  const dying = list.map((run) => ({run, dead: run.diversity.layers.reduce((n, l) => n + (l.dead || 0), 0)})).filter((r) => r.dead);
  s.append(notes(dying.map((r) => r.run.label + ": " + r.dead + (r.dead === 1 ? " filter is" : " filters are") +
    " dead, 0 in all weights: in no pair and no cluster.")) || "");
  if (features.length) s.append(featuresTable(features));
}
