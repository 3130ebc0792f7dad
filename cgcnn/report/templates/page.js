"use strict";
const plots = [...document.querySelectorAll(".plot")];
const byTouch = matchMedia("(pointer: coarse)").matches;

for (const plot of plots) {
  const figure = JSON.parse(document.getElementById(`${plot.id}-data`).textContent);
  if (byTouch) figure.layout.dragmode = false; // a finger on a figure scrolls the page
  Plotly.newPlot(plot, figure.data, figure.layout, {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]], // and none that would send the data to a service
  });
}

// A chip shows or hides its model in every figure and table.
for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    const shown = chip.getAttribute("aria-pressed") !== "true";
    const model = chip.dataset.model;
    chip.setAttribute("aria-pressed", shown);
    for (const element of document.querySelectorAll("main [data-model]")) {
      if (element.dataset.model === model) element.classList.toggle("hidden", !shown);
    }
    for (const plot of plots) {
      const traces = plot.data.flatMap((trace, index) => (trace.meta === model ? [index] : []));
      if (traces.length) Plotly.restyle(plot, { visible: shown }, traces);
    }
  });
}

// A material that is pointed at in one panel of a group is marked in the others.
let relaying = false;
for (const plot of plots.filter((each) => each.dataset.group)) {
  const others = plots.filter((each) => each !== plot && each.dataset.group === plot.dataset.group);
  const relay = (action) => {
    if (relaying) return;
    relaying = true;
    for (const other of others) if (other.offsetParent) action(other);
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
  for (const plot of plots) if (plot.offsetParent) Plotly.relayout(plot, { width: plot.clientWidth });
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
