"use strict";
// Pictures with boxes, and a dialog that shows one of a list in full.
const names = data.names || [], pictures = data.pictures || {};
const viewer = { list: [], place: 0 };

function node(name, attributes = {}, parent = null, text = undefined) {
  const svg = ["svg", "rect", "image", "text", "g", "title"].includes(name);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent?.append(made);
  return made;
}

function frame(parent, [x, y, width, height], kind) {
  for (const layer of ["casing", kind])
    node("rect", { x, y, width: Math.max(width, 0), height: Math.max(height, 0), class: layer }, parent);
}

function label(parent, [x, y], text, { width, height }) {
  const size = Math.max(width, height) / 38;
  node("text", { x: Math.max(x, 0), y: Math.max(y - size / 4, size), "font-size": size }, parent, text);
}

// An image with the boxes of one mistake; `whole` shows all of it and all other boxes as well.
function scene(example, whole = false, shown = { truth: true, found: true }, rows = null) {
  const picture = pictures[example.image];
  const { width, height } = picture, box = whole ? [0, 0, width, height] : region(example, picture);
  const svg = node("svg", { viewBox: box.join(" "), role: "img", "aria-label": sentence(example) });
  node("rect", { x: 0, y: 0, width, height, class: "paper" }, svg);
  if (picture.src) node("image", { href: picture.src, width, height, preserveAspectRatio: "none" }, svg);
  if (whole && shown.truth) for (const [label, x, y, w, h, crowd] of picture.truth) {
    frame(svg, [x, y, w, h], crowd ? "truth crowd" : "truth");
    node("title", {}, svg.lastChild, `${names[label]}${crowd ? " (crowd)" : ""}`);
  }
  if (whole && shown.found) for (const [kind, score, x, y, w, h, right] of rows || picture.found) {
    frame(svg, [x, y, w, h], right ? "found right" : "found");
    label(svg, [x, y], `${names[kind]} ${score.toFixed(2)}`, picture);
  }
  if (example.object && (!whole || shown.truth)) frame(svg, example.object.slice(-4), "truth strong");
  if (example.found && (!whole || shown.found)) {
    frame(svg, example.found.slice(-4), "mistake");
    if (whole) label(svg, example.found.slice(-4), `${names[example.found[0]]} ${example.found[1].toFixed(2)}`, picture);
  }
  return svg;
}

// What stands for an example: one scene, or one of each run, side by side.
function scenes(example, whole, shown) {
  if (!example.rows) return [scene(example, whole, shown)];
  return example.rows.map((rows, i) => {
    const figure = node("figure");
    figure.append(scene({ ...example, found: null, object: null, rows: null }, true, shown, rows));
    node("figcaption", {}, figure, `${example.runs[i]}: F1 ${(100 * example.scores[i]).toFixed(0)}`);
    return figure;
  });
}

// The surroundings of a mistake: boxes with as much again around them, not less than a third of the image.
function region(example, { width, height }) {
  const boxes = [example.object, example.found].filter(Boolean).map(each => each.slice(-4));
  if (!boxes.length) return [0, 0, width, height];
  const low = i => Math.min(...boxes.map(b => b[i])), high = i => Math.max(...boxes.map(b => b[i] + b[i + 2]));
  const side = Math.min(Math.max(2 * (high(0) - low(0)), 2 * (high(1) - low(1)), Math.max(width, height) / 3), Math.max(width, height));
  const w = Math.min(side, width), h = Math.min(side, height);
  const start = (i, size, most) => Math.min(Math.max((low(i) + high(i) - size) / 2, 0), most - size);
  return [start(0, w, width), start(1, h, height), w, h];
}

function sentence(example) {
  const parts = [];
  if (example.scores) return `F1 ${example.scores.map(each => (100 * each).toFixed(0)).join(" → ")}`;
  if (example.found) parts.push(`${names[example.found[0]]} ${example.found[1].toFixed(2)}`);
  if (example.object) {
    const name = names[example.object[0]];
    if (!example.found) parts.push(`missed: ${name}`);
    else if (example.object[0] !== example.found[0]) parts.push(`is ${name}`);
  };
  return parts.join(", ") || pictures[example.image].file;
}

function gallery(holder, examples) {
  holder.replaceChildren();
  const list = examples.filter(each => pictures[each.image]);
  if (!list.length) { node("p", { class: "soft" }, holder, "None."); return; }
  list.forEach((example, place) => {
    const card = node("button", { type: "button", class: "card" }, holder);
    card.append(...scenes(example));
    const picture = pictures[example.image];
    node("span", {}, card, sentence(example));
    node("small", { class: "soft" }, card, picture.src ? picture.file : `${picture.file}: no picture`);
    card.addEventListener("click", () => view(list, place));
  });
}

function view(list, place) {
  viewer.list = list; viewer.place = place;
  show();
  if (!at("viewer").open) at("viewer").showModal();
}

function show() {
  const example = viewer.list[viewer.place], picture = pictures[example.image];
  at("viewer-title").textContent = sentence(example);
  at("viewer-stage").replaceChildren(...scenes(example, true, { truth: at("viewer-truth").checked, found: at("viewer-found").checked }));
  const where = `${picture.file}, image ${picture.id}, ${viewer.place + 1} of ${viewer.list.length}`;
  at("viewer-text").textContent = picture.why ? `${where}. ${picture.why}` : where;
  const layers = data.layers && data.layers[example.image];
  if (layers) {
    const link = node("button", { type: "button" }, at("viewer-text"), "matches of its layers");
    link.addEventListener("click", () => { at("viewer").close(); showLayers(example.image); at("layers").scrollIntoView(); });
  }
  at("viewer-previous").disabled = viewer.place === 0;
  at("viewer-next").disabled = viewer.place === viewer.list.length - 1;
}

function step(by) {
  const place = viewer.place + by;
  if (place >= 0 && place < viewer.list.length) { viewer.place = place; show(); }
}

at("viewer-previous").addEventListener("click", () => step(-1));
at("viewer-next").addEventListener("click", () => step(1));
at("viewer-close").addEventListener("click", () => at("viewer").close());
at("viewer-truth").addEventListener("change", show);
at("viewer-found").addEventListener("change", show);
at("viewer").addEventListener("keydown", event => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by) { step(by); event.preventDefault(); }
});
at("viewer").addEventListener("click", event => { if (event.target === at("viewer")) at("viewer").close(); });
