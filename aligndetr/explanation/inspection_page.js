"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const W = data.width, H = data.height, at = id => document.getElementById(id);
const state = { layer: data.layers.length - 1, query: data.query, hover: null };
const columns = [["thing", "object"], ["query", "query"], ["score", "score"], ["iou", "IoU"]];
if (data.truth) columns.push(["rank", "rank"], ["weight", "weight"], ["goal", "aims at"]);

function element(name, attributes, parent, text) {
  const svg = ["rect", "circle", "path", "image", "g", "title"].includes(name);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function frame(box, style, parent) {
  const [x0, y0, x1, y1] = [box[0] * W, box[1] * H, box[2] * W, box[3] * H];
  return element("rect", { x: x0, y: y0, width: Math.max(x1 - x0, 0), height: Math.max(y1 - y0, 0), fill: "none", ...style }, parent);
}

function reference(values, style, parent) {
  if (values.length === 4) return frame(values, { "stroke-dasharray": "5 3", ...style }, parent);
  const x = values[0] * W, y = values[1] * H, r = Math.max(W, H) / 60;
  return element("path", { d: `M${x - r} ${y}h${2 * r}M${x} ${y - r}v${2 * r}`, fill: "none", ...style }, parent);
}

function cell(pair, key) {
  const value = pair[key];
  if (key === "thing") return data.things[value].name;
  return value === null ? "" : key === "query" || key === "rank" ? String(value) : value.toFixed(2);
}

function sentence(pair) {
  return columns.map(([key, word]) => key === "thing" ? cell(pair, key) : `${word} ${cell(pair, key)}`).join(", ");
}

function draw() {
  const layer = data.layers[state.layer], picture = at("picture");
  picture.replaceChildren();
  const margin = Math.max(W, H) / 25;  // points may lie outside of the image
  picture.setAttribute("viewBox", `${-margin} ${-margin} ${W + 2 * margin} ${H + 2 * margin}`);
  element("image", { href: data.image, width: W, height: H, opacity: .85 }, picture);
  if (at("show-things").checked) for (const thing of data.things) {
    frame(thing.box, { stroke: "#000", "stroke-width": 4, opacity: .5 }, picture);
    frame(thing.box, { stroke: "#fff", "stroke-width": 2 }, picture);
  }
  for (const pair of [...layer.pairs].reverse()) drawPair(layer, pair, picture);
  drawPoints(layer, picture);
  // The smallest boxes are the last ones to be added, so that the pointer can reach them all.
  const area = pair => { const b = layer.boxes[pair.query]; return (b[2] - b[0]) * (b[3] - b[1]); };
  for (const pair of [...layer.pairs].sort((a, b) => area(b) - area(a))) {
    const hit = frame(layer.boxes[pair.query], { class: "hit", "data-query": pair.query }, picture);
    hit.removeAttribute("fill");
    element("title", {}, hit, sentence(pair));
    listen(hit, pair.query);
  }
}

function drawPair(layer, pair, parent) {
  const color = data.things[pair.thing].color, hot = [state.hover, state.query].includes(pair.query);
  const dim = state.hover !== null && state.hover !== pair.query ? .35 : 1;
  if (layer.references && at("show-references").checked)
    reference(layer.references[pair.query], { stroke: color, "stroke-width": hot ? 2.5 : 1.5, opacity: dim }, parent);
  frame(layer.boxes[pair.query], { stroke: color, "stroke-width": (pair.rank ? 1.5 : 3) + (hot ? 1.5 : 0), opacity: dim }, parent);
}

function drawPoints(layer, parent) {
  const heads = layer.sampling && layer.sampling[state.query];
  if (!heads || !at("show-points").checked) return;
  const chosen = at("head").value === "all" ? heads : [heads[Number(at("head").value)]];
  const [x0, y0, x1, y1] = layer.boxes[state.query], side = Math.sqrt(Math.max((x1 - x0) * W * (y1 - y0) * H, 0));
  const largest = Math.min(Math.max(side / 5, Math.max(W, H) / 60), Math.max(W, H) / 22);
  chosen.forEach(levels => levels.forEach((flat, level) => {
    for (let i = 0; i < flat.length; i += 3) {
      const dot = element("circle", { cx: flat[i] * W, cy: flat[i + 1] * H, r: largest * Math.sqrt(flat[i + 2] / 2),
        fill: data.levels[level].color, "fill-opacity": .8, stroke: "#fff", "stroke-width": largest / 40 }, parent);
      element("title", {}, dot, `${data.levels[level].name}: weight ${flat[i + 2].toFixed(3)}`);
    }
  }));
}

function list() {
  const layer = data.layers[state.layer], body = at("pairs");
  body.replaceChildren();
  for (const pair of layer.pairs) {
    const row = element("tr", { "data-query": pair.query }, body);
    if (pair.query === state.query) row.classList.add("chosen");
    columns.forEach(([key], index) => {
      const td = element("td", {}, row, cell(pair, key));
      if (index === 0) td.prepend(element("span", { class: "chip", style: `background:${data.things[pair.thing].color}` }));
    });
    listen(row, pair.query);
  }
  at("summary").textContent = data.truth
    ? `${layer.name}: up to ${layer.k} ${layer.k === 1 ? "query" : "queries"} an object, ${layer.pairs.length} pairs, mean IoU ${layer.iou.toFixed(2)}`
    : `${layer.name}: queries of the final detections, mean IoU with them ${layer.iou.toFixed(2)}`;
}

function describe() {
  const layer = data.layers[state.layer], shares = at("shares");
  shares.replaceChildren();
  if (state.query === null) { at("info").textContent = "No query is matched or confident."; return; }
  const pair = layer.pairs.find(each => each.query === state.query);
  at("info").textContent = "Chosen: " + (pair ? sentence(pair) : `query ${state.query}, not matched in this layer`);
  const heads = layer.sampling && layer.sampling[state.query];
  if (!heads) return;
  data.levels.forEach((level, index) => {
    const weights = heads.map(levels => levels[index].filter((_, i) => i % 3 === 2).reduce((a, b) => a + b, 0));
    const share = weights.reduce((a, b) => a + b, 0) / heads.length;
    element("span", { style: `flex:${share};background:${level.color}`, title: level.name }, shares,
      share > .08 ? `${Math.round(100 * share)} %` : "");
  });
}

function listen(node, query) {
  node.addEventListener("click", () => { state.query = query; show(); });
  node.addEventListener("mouseenter", () => hover(query));
  node.addEventListener("mouseleave", () => hover(null));
}

function hover(query) {
  state.hover = query;
  for (const row of at("pairs").children) row.classList.toggle("hot", Number(row.dataset.query) === query);
  // Only what is below the pointer's targets changes: replacing those would end the hovering.
  const layer = data.layers[state.layer];
  for (const node of at("picture").querySelectorAll(".hit")) {
    const pair = layer.pairs.find(each => each.query === Number(node.dataset.query));
    const on = pair && pair.query === query;
    node.setAttribute("style", on ? `stroke:${data.things[pair.thing].color};stroke-width:6;fill:#ffffff22` : "");
  }
}

function show() {
  [...at("layers").children].forEach((button, index) => button.setAttribute("aria-pressed", index === state.layer));
  draw(); list(); describe();
}

data.layers.forEach((layer, index) => {
  const button = element("button", { type: "button" }, at("layers"), layer.name);
  button.addEventListener("click", () => { state.layer = index; state.hover = null; show(); });
});
for (const [, word] of columns) element("th", { scope: "col" }, at("columns"), word);
for (const level of data.levels) {
  const item = element("span", {}, at("levels"), level.name);
  item.prepend(element("span", { class: "chip", style: `background:${level.color}` }));
}
const sampled = data.layers.find(layer => layer.sampling && Object.keys(layer.sampling).length);
const numHeads = sampled ? Object.values(sampled.sampling)[0].length : 0;
for (let head = 0; head < numHeads; head++) element("option", { value: head }, at("head"), head);
at("head-choice").hidden = numHeads === 0;
at("show-points").parentElement.hidden = numHeads === 0;
at("levels").hidden = numHeads === 0;
at("things-word").textContent = data.truth ? "ground truth" : "final detections";
at("notes").textContent = data.notes.join("; ");
for (const id of ["show-things", "show-references", "show-points", "head"]) at(id).addEventListener("change", show);
document.addEventListener("keydown", event => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || event.target.tagName === "SELECT") return;
  state.layer = Math.min(Math.max(state.layer + step, 0), data.layers.length - 1);
  show();
});
show();
