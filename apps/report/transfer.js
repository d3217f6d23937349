// transfer.js -- transfer to other data: values with their intervals, task by task.
"use strict";

const tasks = [];           // {name, protocol, metric, text, results: [{run, ...}]}: what may be compared with each other
const lastPart = (spec) => String(spec || "?").replace(/^[a-z]+:/, "").replace(/^[^?]*\//, "");

function collectTasks() {
  const places = new Map();
  for (const run of runs)
    for (const result of run.transfer || []) {
      const key = JSON.stringify([result.data, result.metric, result.text, result.fingerprint]);
      if (!places.has(key)) {
        places.set(key, tasks.length);
        const {data: spec, protocol, metric, text, fingerprint} = result;
        tasks.push({data: spec, name: lastPart(spec), protocol, metric, text, fingerprint, results: []});
      }
      tasks[places.get(key)].results.push({...result, run});
    }
  for (const task of tasks)       // images that have changed between results are another task
    if (tasks.some((t) => t.data === task.data && t.fingerprint !== task.fingerprint))
      task.name = lastPart(task.data) + ", images " + String(task.fingerprint || "of no known state").slice(0, 8);
  tasks.sort((a, b) => (a.data + a.protocol + a.metric < b.data + b.protocol + b.metric ? -1 : 1));
  tellApart();
}

// Settings of a protocol, of which the line is made: "k 20", "layer features".
const settings = (k) => String(k.text || "").split(/[;,] /);

// Tasks that only their settings tell apart get those that the others do not have as a name.
function tellApart() {
  const all = new Map();
  for (const k of tasks) all.set(taskName(k), [...(all.get(taskName(k)) || []), k]);
  for (const alike of [...all.values()].filter((list) => list.length > 1))
    alike.forEach((k, i) => {
      const own = settings(k).filter((s) => !alike.every((other) => settings(other).includes(s))).join(", ");
      k.apart = (i + 1) + ": " + (own.length > 60 ? own.slice(0, 57) + "\u2026" : own || "as the others, and less");
    });
}

const metricNames = {top1: "top-1", mean_per_class: "mean per class", map: "mAP", map11: "mAP, 11 points"};
const metricName = (m) => metricNames[m] || String(m);
const taskName = (task) => task.name + ", " + task.protocol + ", " + metricName(task.metric) +
  (task.apart ? " (" + task.apart + ")" : "");
const interval = (r) => known(r.low) && known(r.high) ? "[" + fixed(100 * r.low, 1) + ", " + fixed(100 * r.high, 1) + "]" : "";
let task = null;

const taskRows = () => task.results.filter((r) => r.run.shown).sort((a, b) => b.value - a.value);

function transferConfig(t) {
  const rows = taskRows(), colors = rows.map((r) => color(r.run)), ranges = rows.map((r) => [100 * r.low, 100 * r.high]);
  const label = (i) => percent(rows[i.dataIndex].value) + "  " + interval(rows[i.dataIndex]);
  return {
    type: "bar",
    data: {labels: rows.map((r) => r.run.label), datasets: [
      {type: "line", label: "value", data: rows.map((r) => 100 * r.value), showLine: false, pointRadius: 5,
        pointHoverRadius: 6, borderColor: colors, backgroundColor: colors},
      {type: "bar", label: "95 %", data: ranges.map((r) => r.every(known) ? r : null),
        backgroundColor: colors.map((c) => alpha(c, .45)), barThickness: 5, borderRadius: 2, borderSkipped: false},
    ]},
    options: {...plainOptions, indexAxis: "y", interaction: {mode: "nearest", axis: "y", intersect: false},
      plugins: {legend: {display: false}, tooltip: {callbacks: {label}, filter: (i) => i.datasetIndex === 0}},
      scales: {x: axis(t, metricName(task.metric) + ", %", {beginAtZero: false, grace: "8%"}), y: nameAxis(t, {autoSkip: false})}},
  };
}

// One row a run, one column a task.
function transferTable() {
  const of = (run, k) => k.results.find((r) => r.run === run);
  const value = (r) => r ? [percent(r.value) + " ", node("span", {class: "range"}, interval(r))] : dash;
  const title = (k) => [k.name, node("br"), k.protocol + ", " + metricName(k.metric), ...(k.apart ? [node("br"), k.apart] : [])];
  return table("Transfer, with bootstrap intervals of 95 %", [{title: "run", cell: (run) => run.label},
    ...tasks.map((k) => ({title: title(k), cell: (run) => value(of(run, k))}))],
  runs.filter((run) => tasks.some((k) => of(run, k))));
}

function chosenText(result) {
  return Object.entries(result.chosen || {}).filter(([, v]) => v !== null && typeof v !== "object")
    .map(([k, v]) => k.replace(/_/g, " ") + " " + (known(v) ? number(v) : v)).join(", ");
}

function choicesTable(list) {
  const gain = (g) => known(g) ? (g > 0 ? "+" : "") + fixed(100 * g, 1) : dash;
  return table("Choices by validation: score = log-odds + lambda log RankMe", [{title: "run", cell: (r) => r.run.label},
    {title: "task", left: true, cell: (r) => lastPart(r.data) + ", " + r.protocol},
    {title: "checkpoint", left: true, cell: (r) => r.select.checkpoint || dash},
    {title: "layer", left: true, cell: (r) => r.select.layer || dash}, {title: "of", cell: (r) => whole(r.select.candidates)},
    {title: "lambda", cell: (r) => number(r.select.lambda)}, {title: "last checkpoint", cell: (r) => percent(r.select.last)},
    {title: "chosen", cell: (r) => percent(r.value)},
    {title: "gain, points", cell: (r) => gain(r.select.gain)}, {title: "p", cell: (r) => fixed(r.select.p, 4)}], list);
}

function resultsTable() {
  return table(taskName(task), [{title: "run", cell: (r) => r.run.label},
    {title: metricName(task.metric), cell: (r) => percent(r.value, 2)}, {title: "95 %", cell: interval},
    {title: "log-odds", cell: (r) => fixed(r.log_odds, 3)}, {title: "test images", cell: (r) => whole(r.test)},
    {title: "chosen", text: true, cell: chosenText}], taskRows());
}

function transferLabel() {
  const say = (r) => r.run.label + " " + percent(r.value) + " " + interval(r);
  return "Values with intervals: " + taskName(task) + ". " + taskRows().slice(0, 8).map(say).join("; ");
}

function showTransfer() {
  collectTasks();
  if (!tasks.length) return;
  task = tasks[0];
  const s = section("transfer", "Transfer",
    "How well what was learnt serves other data. Values compare within a task and protocol only.");
  const texts = [...new Set(tasks.map((k) => k.protocol + ": " + k.text))];
  const select = runs.flatMap((run) => (run.transfer || []).filter((r) => r.select).map((r) => ({...r, run})));
  s.append(transferTable(),
    node("div", {class: "choices"}, choice("Task", tasks.map((k, i) => ({value: i, label: taskName(k)})), 0, (v) => {
      task = tasks[v];
      redraw();
    })),
    node("div", {class: "figures"}, figure({
      title: "Runs beside each other", wide: true,
      caption: "Dots are values on test images, bars their bootstrap intervals of 95 %.",
      make: transferConfig, label: transferLabel, table: resultsTable, runs: () => taskRows().map((r) => r.run),
      keys: [{label: "value", dot: true}, {label: "interval of 95 %", width: 5}],
      height: (config) => 60 + Math.max(3, config.data.labels.length) * 24,
    })),
    select.length ? choicesTable(select) : "",
    node("details", null, node("summary", null, "Protocols in full"), bullets(texts)));
}
