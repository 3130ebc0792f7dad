"use strict";
const plots = [...document.querySelectorAll(".plot")];
const NARROW = 420; // pixels of a figure, below which the titles of its axes are written small
const byTouch = matchMedia("(pointer: coarse)").matches;

// A figure is drawn when it comes near the window: a page of fifty opens as fast as a page of two.
function draw(plot) {
  if (plot.data) return;
  const figure = JSON.parse(document.getElementById(`${plot.id}-data`).textContent);
  if (byTouch) figure.layout.dragmode = false; // a finger on a figure scrolls the page
  if (plot.clientWidth < NARROW) for (const name of ["xaxis", "yaxis"]) figure.layout[name].title.font = { size: 11 };
  for (const trace of figure.data) if (trace.meta && hidden.has(trace.meta)) trace.visible = false;
  Plotly.newPlot(plot, figure.data, figure.layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], // and none that would send the data to a service
  });
  plot.on("plotly_click", (event) => {
    const about = event.points[0].customdata;
    if (Array.isArray(about) && document.getElementById("viewer")) openStructure(unescapeText(String(about[0])), plot.closest(".contest")?.id);
  });
  if (plot.dataset.group) relayHover(plot);
}
const hidden = new Set(); // models
const near = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && (near.unobserve(entry.target), draw(entry.target))),
  { rootMargin: "600px" },
);
plots.forEach((plot) => near.observe(plot));

// A chip shows or hides its model in every figure and table.
for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    const shown = chip.getAttribute("aria-pressed") !== "true";
    const model = chip.dataset.model;
    if (shown) hidden.delete(model);
    else hidden.add(model);
    chip.setAttribute("aria-pressed", shown);
    for (const element of document.querySelectorAll("main [data-model]")) {
      if (element.dataset.model === model) element.classList.toggle("hidden", !shown);
    }
    for (const plot of plots.filter((each) => each.data)) {
      const traces = plot.data.flatMap((trace, index) => (trace.meta === model ? [index] : []));
      if (traces.length) Plotly.restyle(plot, { visible: shown }, traces);
    }
  });
}

// A material that is pointed at in one panel of a group is marked in the others.
let relaying = false;
function relayHover(plot) {
  const others = () => plots.filter((each) => each !== plot && each.data && each.dataset.group === plot.dataset.group);
  const relay = (action) => {
    if (relaying) return;
    relaying = true;
    for (const other of others()) if (other.offsetParent) action(other);
    relaying = false;
  };
  plot.on("plotly_hover", (event) => {
    const { curveNumber, pointNumber } = event.points[0];
    relay((other) => Plotly.Fx.hover(other, [{ curveNumber, pointNumber }]));
  });
  plot.on("plotly_unhover", () => relay((other) => Plotly.Fx.unhover(other)));
}

const theme = document.getElementById("theme");
const isDark = () =>
  (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => (theme.textContent = isDark() ? "light" : "dark");
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
});
nameTheme();

// On paper everything is open, and figures are as wide as their column there.
const details = [...document.querySelectorAll("details")];
let closed = [];
const fit = () => {
  for (const plot of plots) {
    draw(plot);
    if (plot.offsetParent) Plotly.relayout(plot, { width: plot.clientWidth });
  }
};
addEventListener("beforeprint", () => {
  closed = details.filter((each) => !each.open);
  for (const each of closed) each.open = true;
  document.body.classList.add("on-paper");
  fit();
});
addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
  document.body.classList.remove("on-paper");
  for (const plot of plots) if (plot.offsetParent) Plotly.relayout(plot, { width: null, autosize: true });
});
