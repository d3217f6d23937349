// images.js -- first-layer filters, example images, and which images a model takes for alike.
"use strict";

// Picture `index` of a strip of pictures that stand below each other.
function tile(src, index, count, width, height, scale, label) {
  return node("span", {class: "tile", role: "img", "aria-label": label, title: label, style: {
    width: width * scale + "px", height: height * scale + "px", backgroundImage: "url(" + src + ")",
    backgroundSize: width * scale + "px " + count * height * scale + "px",
    backgroundPosition: "0 " + -index * height * scale + "px",
  }});
}

// A grid of pictures, of which those beyond `most` are folded away.
function folded(list, most, grid, picture) {
  const box = (part) => node("div", {class: grid}, part.map(picture));
  return list.length <= most ? [box(list)]
    : [box(list.slice(0, most)), node("details", null, node("summary", null, list.length - most + " more"), box(list.slice(most)))];
}

// ---- Filters ----

function filterPicture(run) {
  const f = run.filters, columns = f.count > 16 ? 8 : 4;
  const scale = Math.max(1, Math.floor((columns === 4 ? 52 : 27) / f.width));
  const more = (f.channels === 3 ? ", colour" : "") + (f.filters > f.count ? ", the first " + f.count + " of them" : "");
  const tiles = [...Array(f.count).keys()].map((i) => node("li", null,
    tile(f.src, i, f.count, f.width, f.height, scale, "filter " + (i + 1) + " of " + f.layer)));
  return node("figure", null, node("h3", null, run.label),
    node("figcaption", null, f.layer + ": " + f.filters + " filters of " + f.height + " \u00d7 " + f.width + more + "."),
    node("ul", {class: "tiles even", style: {gridTemplateColumns: "repeat(" + columns + ", max-content)"}}, tiles));
}

function showFilters() {
  const list = runs.filter((r) => r.filters);
  if (!list.length) return;
  const s = section("filters", "First-layer filters", "Mid gray is a weight of 0; each filter is scaled to its largest weight.");
  s.append(...folded(list, 8, "figures small", filterPicture));
}

// ---- Images ----

const imageScale = (set) => Math.max(1, Math.floor(64 / set.cell));

function className(set, index) {
  const label = set.labels[index];
  return label === null || label === undefined ? "image " + (index + 1) : set.classes[label];
}

// An image with a line of words under it; `mark` where its class is not the one that was asked for.
function captioned(set, index, words, mark) {
  const scale = imageScale(set), width = Math.max(set.cell * scale, 72), name = className(set, index);
  return node("li", {style: {width: width + "px"}}, tile(set.src, index, set.count, set.cell, set.cell, scale, name),
    node("div", {class: "captioned"}, node("span", {class: mark ? "other" : null}, name), words ? node("br") : null, words));
}

// Up to three images of each class.
function examples(set) {
  const count = {}, list = [];
  for (let i = 0; i < set.count && list.length < 40; i++) {
    const c = className(set, i);
    count[c] = (count[c] || 0) + 1;
    if (count[c] <= 3 || set.labels[i] === null) list.push(i);
  }
  return list.sort((a, b) => (set.labels[a] ?? 0) - (set.labels[b] ?? 0));
}

function neighbourRow(set, row) {
  const other = (i) => set.labels[row.query] !== null && set.labels[i] !== set.labels[row.query];
  return node("div", {tabindex: "0", role: "group", "aria-label": "Neighbours of " + className(set, row.query)},
    node("ul", {class: "tiles query"}, captioned(set, row.query)),
    node("ul", {class: "tiles"}, row.images.map((i, k) => captioned(set, i, fixed(row.cosines[k], 2), other(i)))));
}

function neighbourFigure(run) {
  const n = run.images, set = data.sets[n.set];
  const share = known(n.same_class) ? " Of all neighbours " + percent(n.same_class, 0) + " are of the image's own class." : "";
  return node("figure", null, node("h3", null, run.label),
    node("figcaption", null, "Left an image, then those most like it by cosine of features, among " + n.rows + "." + share),
    node("div", {class: "neighbours"}, n.queries.map((row) => neighbourRow(set, row))));
}

function showImages() {
  const sets = (data.sets || []).filter((s) => s.src);
  const list = runs.filter((r) => r.images && r.images.queries && data.sets[r.images.set].src);
  if (!sets.length) return;
  const s = section("images", "Images",
    "Images of the data that was trained on" + (list.length ? ", and what models take for alike." : "."));
  const of = (set) => set.data + (set.split ? ", split " + set.split : "");
  s.append(node("div", {class: "figures"}, sets.map((set) =>
    node("figure", {class: sets.length === 1 ? "wide" : null}, node("h3", null, "Examples"), node("figcaption", null, of(set)),
      node("ul", {class: "tiles"}, examples(set).map((i) => captioned(set, i)))))));
  if (list.length) s.append(node("h3", {class: "apart"}, "Nearest neighbours"), ...folded(list, 4, "figures", neighbourFigure));
  const rest = runs.filter((r) => r.images).length - list.length;
  if (list.length && rest > 0) s.append(node("p", {class: "soft"}, "Neighbours are shown of the first " + list.length + " runs."));
}
