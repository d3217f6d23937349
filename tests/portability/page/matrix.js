// matrix.js -- puts the page together: what all results say in a sentence, and the sections.
"use strict";

const listed = (list) => list.length < 2 ? list.join("") : list.slice(0, -1).join(", ") + " and " + list[list.length - 1];

function showHeader() {
  const gpus = vendors.flatMap((v) => v.gpus), ranWell = devices.filter((d) => d.verdict === "pass").length;
  const compiledWell = gpus.filter((g) => g.summary.pass).length;
  const pipelines = gpus.reduce((sum, g) => sum + g.summary.pipelines, 0);
  const well = (n, of) => of === 1 ? (n ? "it passes" : "it fails") : n === of ? (of === 2 ? "both pass" : "all pass")
    : n ? n + " of them pass" : "none passes";
  const ran = devices.length ? plural(devices.length, "device") + " ran the probes of vkdiv selftest, and " +
    well(ranWell, devices.length) : "No device has run the probes of vkdiv selftest";
  const made = gpus.length ? "; " + plural(pipelines, "pipeline") + " compiled for " + plural(gpus.length, "GPU") + " of " +
    listed(vendors.map((v) => v.title)) + " without the hardware, and " + well(compiledWell, gpus.length) : "";
  document.querySelector(".verdict").textContent = ran + made + ".";
  const dates = devices.map((d) => d.date).sort();
  const when = [...new Set([dates[0], dates[dates.length - 1]])].filter(Boolean).join(" to ");
  document.querySelector(".made").textContent = joined([
    [...new Set(devices.map((d) => "vkdiv " + d.version))].join(", "), when ? "results of " + when : null]);
  const of = (n, all) => n === all ? whole(n) : whole(n) + " of " + whole(all);
  const facts = [
    [of(ranWell, devices.length), devices.length === 1 ? "device ran and passes" : "devices ran and pass"],
    [of(compiledWell, gpus.length), "GPUs compiled for, and pass"], [whole(pipelines), "pipelines compiled"],
    [whole(devices.reduce((n, d) => n + d.probes.length, 0)), "probes ran"]];
  document.querySelector(".facts").append(...facts.map(([value, name]) =>
    node("li", null, node("b", null, value), node("span", null, name))));
  const drivers = [...new Set(devices.map((d) => joined([d.identity.driver, d.identity.driver_info]).replace(" \u00b7 ", " ")))];
  const list = [...drivers, ...vendors.flatMap(driversOf)].filter(Boolean);
  if (list.length) document.querySelector(".facts").after(node("p", {class: "drivers"}, "Drivers: " + list.join(", ") + "."));
}

showHeader();
showRan();
showCompiled();
const row = document.getElementById("row");
row.hidden = false;
document.querySelector("main").append(row);
document.querySelector("nav").append(node("a", {href: "#row"}, document.getElementById("row-title").textContent));
redraw();
document.documentElement.dataset.drawn = "yes";
