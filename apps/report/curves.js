// curves.js -- training: loss, accuracy, labels injected and diversity over one axis of time.
"use strict";

const axes = [{value: "epoch", label: "epochs"}, {value: "step", label: "steps"}, {value: "seconds", label: "seconds"}];
let time = "epoch", lossScale = "linear";

// Kinds of lines: which column of which events, how it is drawn, and how its values are told.
const curveFigures = [
  {
    title: "Loss", caption: "Of training, and of the test set where labels are learnt.",
    loss: true, format: (v) => number(v, 4),
    lines: [{kind: "step", column: "loss", label: "training", thin: true},
      {kind: "eval", column: "loss", label: "test", points: true}],
  },
  {
    title: "Accuracy",
    caption: "Test accuracy, or mean average precision of several labels, and that of nearest neighbours of the features. " +
      "While no label is learnt it is that of a linear probe, which learns beside and changes no feature.",
    format: (v) => percent(v), share: true,
    lines: [{kind: "step", column: "accuracy", label: "training", thin: true},
      {kind: "eval", column: "top1", label: "test", points: true},
      {kind: "eval", column: "map", label: "test (mean average precision)", points: true},
      {kind: "eval", column: "knn", label: "nearest neighbours", points: true, dash: [5, 4]}],
  },
  {
    title: "Labels injected", caption: "The weight a(t) of labels, and the dose: epochs' worth of labels so far.",
    format: (v) => number(v),
    lines: [{kind: "step", column: "injection", label: "weight a(t)", knots: true},
      {kind: "step", column: "dose", label: "dose (right axis)", knots: true, dash: [5, 4], right: true}],
  },
  {
    title: "Diversity of features", caption: "RankMe: about how many dimensions the features use.", format: (v) => number(v),
    lines: [{kind: "diversity", column: "rankme", label: "RankMe", points: true}],
  },
];

const hasLine = (run, line) => Boolean((run.curves[line.kind] || {})[line.column]) ||
  Boolean(line.knots && run.phases.some((p) => p[line.column] > 0));

function series(run, kind, name) {
  const c = run.curves[kind] || {}, xs = c[time] || [];
  return (c[name] || []).map((y, i) => ({x: xs[i], y, step: (c.step || [])[i]})).filter((p) => known(p.x) && known(p.y));
}

// Between ramps a(t) is a step function: it changes where a phase begins, or where the floor's controller observes.
const injectionMode = (run) => ((run.manifest.recipe || {}).injection || {}).mode;
const isStepped = (run, line) => line.column === "injection" && !["linear", "cosine"].includes(injectionMode(run));

// Events "step" are few: a jump between two of them is where the phase's own event is.
function injectionPoints(run, line) {
  const steps = series(run, "step", line.column);
  const phases = run.phases.map((p) => ({x: p[time], y: p[line.column], step: p.step})).filter((p) => known(p.x) && known(p.y));
  const stepped = isStepped(run, line) && phases.length > 0;
  const others = !stepped ? steps : injectionMode(run) === "floor" ? series(run, "diversity", line.column) : [];
  const list = [...others, ...phases].sort((a, b) => a.step - b.step);
  const end = Math.max(...["step", "eval"].flatMap((kind) => ((run.curves[kind] || {})[time] || []).slice(-1)));
  if (stepped && end > list[list.length - 1].x) list.push({x: end, y: list[list.length - 1].y});
  return list.map(({x, y}) => ({x, y}));
}

const points = (run, line) => line.knots ? injectionPoints(run, line)
  : series(run, line.kind, line.column).map(({x, y}) => ({x, y}));

// Where a phase of the one run shown begins: a line across, with its name in the first of three rows that has room.
const phaseLines = {
  id: "phases",
  afterDatasetsDraw(chart, args, options) {
    const {ctx, chartArea: a, scales: {x}} = chart;
    ctx.save();
    ctx.font = "11px " + Chart.defaults.font.family;
    ctx.fillStyle = ctx.strokeStyle = options.color;
    ctx.setLineDash([2, 3]);
    const free = [a.left, a.left, a.left];
    for (const p of options.list || []) {
      const at = x.getPixelForValue(p[time]);
      if (!known(at) || at < a.left - 1 || at > a.right) continue;
      ctx.beginPath();
      ctx.moveTo(at, a.top);
      ctx.lineTo(at, a.bottom);
      ctx.stroke();
      const width = ctx.measureText(p.phase).width;
      const row = free.findIndex((x) => at + 4 >= x);
      if (row >= 0 && at + 4 + width <= a.right) {
        ctx.fillText(p.phase, at + 4, a.top + 10 + 13 * row);
        free[row] = at + width + 12;
      }
    }
    ctx.restore();
  },
};

function curveDataset(run, line) {
  const c = color(run), list = points(run, line);
  return {
    label: run.label + ": " + line.label, data: list, borderColor: line.thin ? alpha(c, .5) : c, backgroundColor: c,
    borderWidth: line.thin ? 1.25 : 2, borderDash: line.dash || [], tension: 0, stepped: isStepped(run, line),
    yAxisID: line.right ? "right" : "y",
    pointRadius: list.length === 1 ? 4 : line.points && list.length < 40 && runs.length < 9 ? 2.5 : 0, pointHitRadius: 8,
  };
}

function curveConfig(f, t) {
  const list = shown(), lines = f.lines;
  const datasets = list.flatMap((run) => lines.filter((l) => hasLine(run, l)).map((l) => curveDataset(run, l)));
  const right = datasets.some((d) => d.yAxisID === "right");
  const scales = {
    x: axis(t, axes.find((a) => a.value === time).label, {type: "linear", beginAtZero: true}),
    y: axis(t, "", {type: f.loss ? lossScale : "linear", beginAtZero: !f.loss,
      ticks: {color: t.soft, callback: (v) => f.share ? percent(v, 0) : number(v)}}),
  };
  if (right)
    scales.right = axis(t, "", {position: "right", beginAtZero: true, grid: {drawOnChartArea: false, borderColor: t.grid}});
  const phases = {list: list.length === 1 ? list[0].phases : [], color: t.soft};
  const tip = {
    title: (items) => time + " " + number(items[0].parsed.x, 4),
    label: (i) => i.dataset.label + " " + f.format(i.parsed.y),
  };
  return {
    type: "line", data: {datasets}, plugins: [phaseLines],
    options: {...plainOptions, scales, interaction: {mode: "nearest", intersect: false},
      plugins: {legend: {display: false}, tooltip: {callbacks: tip}, phases}},
  };
}

// The values at the start, in the middle and at the end of a line, and its best.
function curveRow(run, line) {
  const list = points(run, line), values = list.map((p) => p.y), [from, to] = [list[0], list[list.length - 1]];
  const at = (share) => list.length ? list.filter((p) => p.x <= from.x + share * (to.x - from.x) + 1e-9).pop().y : null;
  return {run, line, first: at(0), quarter: at(.25), half: at(.5), most: at(.75), last: at(1),
    low: values.length ? Math.min(...values) : null, high: values.length ? Math.max(...values) : null};
}

const curveRows = (f) => shown().flatMap((run) => f.lines.filter((l) => hasLine(run, l)).map((l) => curveRow(run, l)));

function curveTable(f) {
  const rows = curveRows(f);
  const at = (title, key) => ({title, cell: (r) => f.format(r[key])});
  return table(f.title + " along training", [{title: "run", cell: (r) => r.run.label},
    {title: "line", left: true, cell: (r) => r.line.label},
    at("first", "first"), at("25\u202f%", "quarter"), at("50\u202f%", "half"), at("75\u202f%", "most"), at("last", "last"),
    at("lowest", "low"), at("highest", "high")], rows);
}

function curveLabel(f) {
  const rows = curveRows(f).filter((r) => !r.line.thin);
  const say = (r) => r.run.label + ", " + r.line.label + ": " + f.format(r.first) + " to " + f.format(r.last);
  return "Line chart of " + f.title.toLowerCase() + " over " + time + ", " + shown().length + " runs. " +
    rows.slice(0, 6).map(say).join("; ") + (rows.length > 6 ? "; and more in the table." : ".");
}

function averaging() {
  const most = Math.max(1, ...runs.map((r) => r.curves.step ? r.curves.step.per_point : 1));
  return most === 1 ? "" : " Long curves are brought down to at most 240 points, each the mean of up to " + whole(most) +
    " consecutive lines of metrics.jsonl.";
}

function showCurves() {
  const s = section("training", "Training", "Loss, accuracy, labels and diversity over one axis of time." + averaging());
  const box = node("div", {class: "figures"}), scales = ["linear", "logarithmic"].map((name) => ({value: name, label: name}));
  s.append(node("div", {class: "choices"}, choice("Time in", axes, time, (v) => {
    time = v;
    redraw();
  }), choice("Scale of loss", scales, lossScale, (v) => {
    lossScale = v;
    redraw();
  })), box);
  let any = false;
  for (const f of curveFigures) {
    const lines = f.lines.filter((l) => runs.some((run) => hasLine(run, l)));
    if (!lines.length) continue;
    any = true;
    box.append(figure({
      title: f.title, caption: f.caption, make: (t) => curveConfig(f, t), label: () => curveLabel(f), table: () => curveTable(f),
      runs: shown, keys: lines.length > 1 ? lines.map((l) => ({label: l.label, dash: l.dash, width: l.thin ? 1.25 : 2})) : null,
    }));
  }
  if (!any) s.append(node("p", null, "No run has curves."));
  const warnings = runs.flatMap((run) => (run.warnings || []).map((w) => run.label + ", step " + w.step + ": " + w.text));
  s.append(notes(warnings) || "");
}
