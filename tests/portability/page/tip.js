// tip.js -- small cells that say what they mean: to the pointer, on a tap, and to the keyboard, whose arrows go from
// one to the next.
"use strict";

const tip = node("div", {id: "tip", hidden: true, "aria-hidden": "true"});
let tipCell = null;
document.body.append(tip);

function hideTip() {
  tip.hidden = true;
  tipCell = null;
}

// Below the cell, or above it where the window ends, and never beyond a side.
function placeTip() {
  if (!tipCell) return;
  const at = tipCell.getBoundingClientRect(), gap = 6, width = tip.offsetWidth, height = tip.offsetHeight;
  const below = at.bottom + gap + height <= window.innerHeight || at.top - gap < height;
  const left = Math.min(at.left + at.width / 2 - width / 2, window.innerWidth - width - gap);
  tip.style.left = Math.max(left, gap) + "px";
  tip.style.top = (below ? at.bottom + gap : at.top - gap - height) + "px";
}
window.addEventListener("scroll", placeTip, {passive: true, capture: true});

function showTip(cell, {title, lines}) {
  tip.replaceChildren(node("b", null, title), ...lines.filter(Boolean).map((line) => node("span", null, line)));
  tip.hidden = false;
  tipCell = cell;
  placeTip();
}

// Cells of `box` are what `selector` finds; words(cell) is {title, lines}; step(cell, dx, dy) is the cell beside it or
// null; at(cell or null) hears where the pointer or the focus is.
function explain(box, selector, {words, step, at}) {
  const cellOf = (e) => e.target.closest(selector);
  const show = (e) => {
    const cell = cellOf(e);
    if (!cell) return;
    const said = words(cell);
    cell.setAttribute("aria-label", [said.title, ...said.lines].filter(Boolean).join(". "));
    showTip(cell, said);
    if (at) at(cell);
  };
  const hide = () => {
    hideTip();
    if (at) at(null);
  };
  box.addEventListener("mouseover", show);
  box.addEventListener("mouseleave", hide);
  box.addEventListener("focusin", show);
  box.addEventListener("focusout", hide);
  box.addEventListener("click", (e) => {
    const cell = cellOf(e);
    if (cell) enter(box, selector, cell);
  });
  box.addEventListener("keydown", (e) => {
    const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    const cell = cellOf(e), to = cell && moves[e.key] ? step(cell, ...moves[e.key]) : null;
    if (e.key === "Escape") hide();
    if (!cell || !moves[e.key]) return;
    e.preventDefault();
    if (to) enter(box, selector, to);
  });
}

// One cell of a box is on the way of the Tab key: the last that was entered.
function enter(box, selector, cell) {
  for (const other of box.querySelectorAll(selector + "[tabindex='0']")) other.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus();
}
