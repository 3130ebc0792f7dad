"use strict";
// The structure of a material in 3-D: a dialog that opens on a click on whatever stands for a material.
let parsed; // megabytes, so not before the first structure is opened
const stored = () => (parsed ??= JSON.parse(document.getElementById("structures").textContent));
const dialog = document.getElementById("viewer");
const STEPS = 10000; // of a lattice vector in stored coordinates
const EDGE = 1e-3; // so near to a face of the cell a site is drawn on the opposite face, too
const SHELL = 1.25; // anions within this times the shortest distance surround a site
const MOST_BONDS = 6; // sites with more such anions, as A of a perovskite, are drawn without bonds

// plotly escaped the three characters that HTML would read
const unescapeText = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
const escapeText = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function openStructure(id, task) {
  const found = stored().materials[id];
  if (!found) return;
  const [formula, group, prototype] = found;
  document.getElementById("viewer-title").textContent = formula;
  document.getElementById("viewer-facts").textContent = [id, group ? `space group ${group}` : "", prototype].filter(Boolean).join(", ");
  const tasks = Object.keys(stored().contributions).filter((name) => stored().contributions[name][2][id]);
  const colours = document.getElementById("viewer-colours");
  const choices = ["elements", ...tasks];
  colours.replaceChildren(
    ...choices.map((choice) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = choice === "elements" ? "elements" : `what sites add: ${stored().contributions[choice][0]}`;
      button.dataset.choice = choice;
      button.addEventListener("click", () => show(id, choice));
      return button;
    }),
  );
  dialog.showModal();
  show(id, task && tasks.includes(task) ? task : "elements");
}

function show(id, choice) {
  for (const button of document.getElementById("viewer-colours").children)
    button.setAttribute("aria-pressed", button.dataset.choice === choice);
  const [, , , cell, numbers, coordinates] = stored().materials[id];
  const lattice = [cell.slice(0, 3), cell.slice(3, 6), cell.slice(6, 9)];
  const [, unit, contributions] = choice === "elements" ? ["", "", {}] : stored().contributions[choice];
  const { atoms, bonds } = sitesOf(lattice, numbers, coordinates);
  const colour = choice === "elements" ? (atom) => stored().elements[atom.z][1] : shades(contributions[id]);
  const text = (atom) =>
    stored().elements[atom.z][0] + (contributions[id] ? `, adds ${contributions[id][atom.site].toFixed(3)} ${escapeText(unit)}` : "");
  const soft = getComputedStyle(document.documentElement).getPropertyValue("--soft").trim();
  const axis = { visible: false, showspikes: false };
  const layout = {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    paper_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    scene: { xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "data", camera: { projection: { type: "orthographic" }, eye: { x: 0.95, y: 0.42, z: 0.3 } } },
  };
  const data = [spheres(atoms, colour, text), lines(bonds, soft, 5), lines(edgesOf(lattice), soft, 2)];
  Plotly.react("viewer-plot", data, layout, { responsive: true, displayModeBar: false });
  legend(numbers, contributions[id], unit);
}

const toCartesian = (lattice, f) => [0, 1, 2].map((k) => f[0] * lattice[0][k] + f[1] * lattice[1][k] + f[2] * lattice[2][k]);

// The sites of one cell, those on its faces on all of them; and the anions around each cation, wherever they are.
function sitesOf(lattice, numbers, coordinates) {
  const home = numbers.map((z, site) => [0, 1, 2].map((k) => (coordinates[3 * site + k] % STEPS) / STEPS).map((x) => (x > 1 - EDGE ? x - 1 : x)));
  const atoms = [], bonds = [], drawn = new Set();
  const add = (site, shift) => {
    const at = toCartesian(lattice, home[site].map((x, k) => x + shift[k])), key = `${site} ${shift}`;
    if (!drawn.has(key)) atoms.push({ z: numbers[site], site, shift, at });
    drawn.add(key);
    return at;
  };
  numbers.forEach((z, site) => {
    const [xs, ys, zs] = home[site].map((x) => (Math.abs(x) < EDGE ? [0, 1] : [0]));
    for (const x of xs) for (const y of ys) for (const z of zs) add(site, [x, y, z]);
  });
  const pull = (z) => stored().elements[z][3];
  const anion = numbers.reduce((best, z) => (pull(z) > pull(best) ? z : best));
  for (const atom of atoms.filter((each) => each.z !== anion))
    for (const { site, shift } of anionsAround(lattice, home, numbers, anion, atom)) bonds.push([atom.at, add(site, shift)]);
  return { atoms, bonds };
}

function anionsAround(lattice, home, numbers, anion, atom) {
  const found = [], near = [-1, 0, 1];
  numbers.forEach((z, site) => {
    if (z !== anion) return;
    for (const a of near) for (const b of near) for (const c of near) {
      const shift = [a, b, c].map((x, k) => x + atom.shift[k]);
      const at = toCartesian(lattice, home[site].map((x, k) => x + shift[k]));
      found.push({ site, shift, distance: Math.hypot(...at.map((x, k) => x - atom.at[k])) });
    }
  });
  const closest = Math.min(...found.map((each) => each.distance));
  const shell = found.filter((each) => each.distance < SHELL * closest);
  return shell.length <= MOST_BONDS ? shell : [];
}

function edgesOf(lattice) {
  const corner = (n) => toCartesian(lattice, [n & 1, (n >> 1) & 1, (n >> 2) & 1]);
  const pairs = [];
  for (let n = 0; n < 8; n++) for (const bit of [1, 2, 4]) if (!(n & bit)) pairs.push([corner(n), corner(n | bit)]);
  return pairs;
}

function lines(pairs, color, width) {
  const along = (k) => pairs.flatMap(([from, to]) => [from[k], to[k], null]);
  return { type: "scatter3d", mode: "lines", x: along(0), y: along(1), z: along(2), line: { color, width }, hoverinfo: "skip" };
}

// All atoms as one mesh: a globe of rings for each.
function spheres(atoms, colour, text) {
  const RINGS = 9, SPOKES = 16;
  const mesh = { type: "mesh3d", x: [], y: [], z: [], i: [], j: [], k: [], vertexcolor: [], text: [], hoverinfo: "text", flatshading: false,
    lighting: { ambient: 0.85, diffuse: 0.4, specular: 0.15, roughness: 0.6, facenormalsepsilon: 0 } };
  for (const atom of atoms) {
    const first = mesh.x.length, size = 0.34 * Math.sqrt(stored().elements[atom.z][2]), shade = colour(atom), label = text(atom);
    for (let ring = 0; ring <= RINGS; ring++) for (let spoke = 0; spoke < SPOKES; spoke++) {
      const polar = (Math.PI * ring) / RINGS, around = (2 * Math.PI * spoke) / SPOKES;
      mesh.x.push(atom.at[0] + size * Math.sin(polar) * Math.cos(around));
      mesh.y.push(atom.at[1] + size * Math.sin(polar) * Math.sin(around));
      mesh.z.push(atom.at[2] + size * Math.cos(polar));
      mesh.vertexcolor.push(shade);
      mesh.text.push(label);
      if (ring === RINGS) continue;
      const next = (spoke + 1) % SPOKES, row = first + ring * SPOKES;
      mesh.i.push(row + spoke, row + next);
      mesh.j.push(row + SPOKES + spoke, row + SPOKES + spoke);
      mesh.k.push(row + next, row + SPOKES + next);
    }
  }
  return mesh;
}

// Blue lowers the prediction, orange raises it, grey does neither.
function shades(values) {
  const most = Math.max(...values.map(Math.abs)) || 1;
  const mix = (end, share) => `rgb(${end.map((x) => Math.round(200 + (x - 200) * share)).join(",")})`;
  return (atom) => mix(values[atom.site] < 0 ? [0, 114, 178] : [213, 94, 0], Math.abs(values[atom.site]) / most);
}

function legend(numbers, values, unit) {
  const items = values
    ? [["#0072B2", "lowers"], ["#C8C8C8", "neither"], ["#D55E00", `raises, ${Math.max(...values.map(Math.abs)).toFixed(3)} ${unit} at most`]]
    : [...new Set(numbers)].map((z) => [stored().elements[z][1], stored().elements[z][0]]);
  document.getElementById("viewer-legend").replaceChildren(
    ...items.map(([colour, name]) => {
      const item = document.createElement("span"), dot = document.createElement("i");
      dot.style.background = colour;
      item.append(dot, name);
      return item;
    }),
  );
}

document.getElementById("viewer-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
for (const button of document.querySelectorAll(".material")) button.addEventListener("click", () => openStructure(button.dataset.material));
