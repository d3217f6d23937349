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
    caption: "Test accuracy, or mean average precision of several labels, and that of nearest neighbours of the features.",
    format: (v) => percent(v), share: true,
    lines: [{kind: "step", column: "accuracy", label: "training", thin: true},
      {kind: "eval", column: "top1", label: "test", points: true},
      {kind: "eval", column: "map", label: "test (mean average precision)", points: true},
      {kind: "eval", column: "knn", label: "nearest neighbours", points: true, dash: [5, 4]}],
  },
  {
    title: "Labels injected", caption: "The weight a(t) of labels, and the dose: epochs' worth of labels so far.",
    format: (v) => number(v),
    lines: [{kind: "step", column: "injection", label: "weight a(t)"},
      {kind: "step", column: "dose", label: "dose (right axis)", dash: [5, 4], right: true}],
  },
  {
    title: "Diversity of features", caption: "RankMe: about how many dimensions the features use.", format: (v) => number(v),
    lines: [{kind: "diversity", column: "rankme", label: "RankMe", points: true}],
  },
];

const column = (run, line) => {
  const c = run.curves[line.kind];
  return c && c[line.column] ? c[line.column] : null;
};

function points(run, line) {
  const ys = column(run, line), xs = run.curves[line.kind][time] || [];
  return ys.map((y, i) => ({x: xs[i], y})).filter((p) => known(p.x) && known(p.y));
}

// Where a phase of the one run shown begins: a line across, with its name.
const phaseLines = {
  id: "phases",
  afterDatasetsDraw(chart, args, options) {
    const {ctx, chartArea: a, scales: {x}} = chart;
    ctx.save();
    ctx.font = "11px " + Chart.defaults.font.family;
    ctx.fillStyle = ctx.strokeStyle = options.color;
    ctx.setLineDash([2, 3]);
    let free = a.left;
    for (const p of options.list || []) {
      const at = x.getPixelForValue(p[time]);
      if (!known(at) || at < a.left - 1 || at > a.right) continue;
      ctx.beginPath();
      ctx.moveTo(at, a.top);
      ctx.lineTo(at, a.bottom);
      ctx.stroke();
      const width = ctx.measureText(p.phase).width;
      if (at + 4 >= free && at + 4 + width <= a.right) {
        ctx.fillText(p.phase, at + 4, a.top + 10);
        free = at + width + 12;
      }
    }
    ctx.restore();
  },
};

function curveDataset(run, line) {
  const c = color(run), list = points(run, line);
  return {
    label: run.label + ": " + line.label, data: list, borderColor: line.thin ? alpha(c, .5) : c, backgroundColor: c,
    borderWidth: line.thin ? 1.25 : 2, borderDash: line.dash || [], tension: 0, yAxisID: line.right ? "right" : "y",
    pointRadius: list.length === 1 ? 4 : line.points && list.length < 40 && runs.length < 9 ? 2.5 : 0, pointHitRadius: 8,
  };
}

function curveConfig(f, t) {
  const list = shown(), lines = f.lines;
  const datasets = list.flatMap((run) => lines.filter((l) => column(run, l)).map((l) => curveDataset(run, l)));
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
  const list = points(run, line), at = (share) => list.length ? list[Math.round(share * (list.length - 1))].y : null;
  const values = list.map((p) => p.y);
  return {run, line, first: at(0), quarter: at(.25), half: at(.5), most: at(.75), last: at(1),
    low: values.length ? Math.min(...values) : null, high: values.length ? Math.max(...values) : null};
}

const curveRows = (f) => shown().flatMap((run) => f.lines.filter((l) => column(run, l)).map((l) => curveRow(run, l)));

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
    const lines = f.lines.filter((l) => runs.some((run) => column(run, l)));
    if (!lines.length) continue;
    any = true;
    box.append(figure({
      title: f.title, caption: f.caption, make: (t) => curveConfig(f, t), label: () => curveLabel(f), table: () => curveTable(f),
      keys: lines.length > 1 ? lines.map((l) => ({label: l.label, dash: l.dash, width: l.thin ? 1.25 : 2})) : null,
    }));
  }
  if (!any) s.append(node("p", null, "No run has curves."));
  const warnings = runs.flatMap((run) => (run.warnings || []).map((w) => run.label + ", step " + w.step + ": " + w.text));
  s.append(notes(warnings) || "");
}
