// Draws each canvas.crystal: the cell, and spheres of its sites from back to front. Drag to turn.
"use strict";
const paint = (canvas, turn) => {
  const { cell, sites } = JSON.parse(canvas.dataset.crystal);
  const ratio = devicePixelRatio || 1;
  const size = canvas.clientWidth;
  canvas.width = canvas.height = size * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const middle = [0, 1, 2].map((k) => (cell[0][k] + cell[1][k] + cell[2][k]) / 2);
  const corners = [...Array(8).keys()].map((n) => [0, 1, 2].map((k) => (n & 1) * cell[0][k] + ((n >> 1) & 1) * cell[1][k] + ((n >> 2) & 1) * cell[2][k]));
  const reach = Math.max(...corners.map((p) => Math.hypot(...p.map((x, k) => x - middle[k])))) + 1;
  const zoom = size / 2 / reach;
  const [a, b] = turn;
  const seen = (p) => {
    const [x, y, z] = p.map((value, k) => value - middle[k]);
    const u = x * Math.cos(a) - y * Math.sin(a);
    const v = x * Math.sin(a) + y * Math.cos(a);
    return [size / 2 + zoom * u, size / 2 - zoom * (z * Math.cos(b) + v * Math.sin(b)), v * Math.cos(b) - z * Math.sin(b)];
  };
  pen.strokeStyle = style.color;
  pen.globalAlpha = 0.45;
  for (let n = 0; n < 8; n++)
    for (const bit of [1, 2, 4])
      if (!(n & bit)) {
        const [from, to] = [seen(corners[n]), seen(corners[n | bit])];
        pen.beginPath();
        pen.moveTo(from[0], from[1]);
        pen.lineTo(to[0], to[1]);
        pen.stroke();
      }
  pen.globalAlpha = 1;
  const placed = sites.map((site) => ({ ...site, at: seen(site.xyz) })).sort((p, q) => q.at[2] - p.at[2]);
  for (const { at, radius, colour, label } of placed) {
    pen.beginPath();
    pen.arc(at[0], at[1], zoom * radius, 0, 2 * Math.PI);
    pen.fillStyle = colour;
    pen.fill();
    pen.stroke();
    const [red, green, blue] = [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
    pen.fillStyle = 0.3 * red + 0.6 * green + 0.1 * blue < 110 ? "#ffffff" : "#1d2227";
    pen.font = `${Math.max(9, Math.min(14, zoom * radius))}px system-ui`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    if (zoom * radius > 7) pen.fillText(label, at[0], at[1]);
  }
};
for (const canvas of document.querySelectorAll("canvas.crystal")) {
  const turn = [0.45, 0.35];
  const draw = () => paint(canvas, turn);
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    turn[0] += event.movementX / 100;
    turn[1] = Math.max(-1.57, Math.min(1.57, turn[1] + event.movementY / 100));
    draw();
  });
  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
