"use strict";
// The sections of one run.
for (const each of data.charts || []) {
  const chosen = document.querySelector(`select[data-chart="${each.id}"]`);
  const options = () => curves(each.views[chosen ? Number(chosen.value) : 0].curves);
  draw(each.id, options, true);
  chosen?.addEventListener("change", () => draw(each.id, options, true));
}

// Thresholds: the counts at a step of the slider are exact, they were counted at that score.
if (data.thresholds) {
  const { steps, all, classes } = data.thresholds;
  const chosen = () => at("class").value === "all" ? all : classes[Number(at("class").value)];
  const place = () => Number(at("threshold").value);
  const measures = (each, i) => {
    const found = each.true[i], kept = found + each.false[i];
    return { precision: kept ? found / kept : null, recall: each.objects ? found / each.objects : null,
      f1: kept + each.objects ? 2 * found / (kept + each.objects) : null };
  };
  const percent = value => value === null ? "–" : `${(100 * value).toFixed(1)} %`;
  const here = i => ({ silent: true, symbol: "none", label: { show: false }, lineStyle: { color: color("ink"), type: "dashed" }, data: [{ xAxis: i / steps }] });
  const overThresholds = () => {
    const each = chosen(), line = key => each.true.map((_, i) => [i / steps, measures(each, i)[key]]);
    return { legend: {}, tooltip: { trigger: "axis", valueFormatter: percent },
      xAxis: { type: "value", min: 0, max: 1, name: "threshold" }, yAxis: { type: "value", min: 0, max: 1 },
      series: ["precision", "recall", "f1"].map((key, i) => ({ name: key === "f1" ? "F1" : key, type: "line", showSymbol: false,
        data: line(key), markLine: i ? undefined : here(place()) })) };
  };
  const precisionRecall = () => {
    const each = chosen(), now = measures(each, place());
    return { tooltip: { trigger: "item" }, xAxis: { type: "value", min: 0, max: 1, name: "recall" }, yAxis: { type: "value", min: 0, max: 1, name: "precision", nameGap: 38 },
      series: [{ name: "all scores", type: "line", showSymbol: false, data: each.pr },
        { name: "threshold", type: "scatter", symbolSize: 12, data: now.precision === null || now.recall === null ? [] : [[now.recall, now.precision]] }] };
  };
  const tell = () => {
    const each = chosen(), i = place(), now = measures(each, i);
    document.querySelector("output[for=threshold]").textContent = (i / steps).toFixed(2);
    at("count-found").textContent = each.true[i];
    at("count-missed").textContent = each.objects - each.true[i];
    at("count-false").textContent = each.false[i];
    for (const key of ["precision", "recall", "f1"]) at(`count-${key}`).textContent = percent(now[key]);
    draw("f1", overThresholds); draw("pr", precisionRecall);
  };
  const toBest = () => {
    const each = chosen(), f1 = each.true.map((_, i) => measures(each, i).f1 ?? -1);
    at("threshold").value = f1.lastIndexOf(Math.max(...f1));
    tell();
  };
  at("class").addEventListener("change", tell);
  at("threshold").addEventListener("input", tell);
  at("best").addEventListener("click", toBest);
  for (const link of document.querySelectorAll("a[data-class]")) link.addEventListener("click", () => {
    at("class").value = classes.findIndex(each => each.name === link.dataset.class);
    toBest();
  });
  toBest();
}

if (data.tide) draw("tide", () => ({
  grid: { left: 54, top: 10, bottom: 40 }, tooltip: { trigger: "axis", axisPointer: { type: "shadow" } },
  xAxis: { type: "value", name: "AP50" }, yAxis: { type: "category", inverse: true, data: data.tide.map(each => each.name) },
  series: [{ name: "AP50", type: "bar", barMaxWidth: 26, data: data.tide.map(each => each.value) }],
}))?.on("click", event => opened(at(`errors-${event.name}`)).scrollIntoView());

function opened(details) { details.open = true; return details; }
for (const link of document.querySelectorAll('a[href^="#errors-"]'))
  link.addEventListener("click", () => opened(document.querySelector(link.getAttribute("href"))));

for (const holder of document.querySelectorAll(".gallery[data-kind]")) gallery(holder, data.mistakes[holder.dataset.kind]);

for (const cell of document.querySelectorAll("button[data-cell]")) {
  const examples = data.confused[cell.dataset.cell];
  if (!examples) { cell.disabled = true; continue; }
  cell.addEventListener("click", () => {
    const holder = at("confusion-images");
    holder.replaceChildren();
    node("h3", { tabindex: "-1" }, holder, `${cell.getAttribute("aria-label")}; ${examples.length} shown`).focus({ preventScroll: true });
    gallery(node("div", { class: "gallery" }, holder), examples);
    holder.scrollIntoView({ block: "nearest" });
  });
}

for (const [name, parts] of Object.entries(data.slices || {})) draw(`slice-${name}`, () => ({
  legend: {}, tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, formatter: rows => {
    const part = parts[rows[0].dataIndex];
    return `${part.name}: ${part.objects} objects<br>IoU 0.5: ${part.half} %<br>IoU 0.75: ${part.strict} %`;
  } },
  xAxis: { type: "category", data: parts.map(part => part.name) }, yAxis: { type: "value", min: 0, max: 100 },
  series: [["IoU 0.5", "half"], ["IoU 0.75", "strict"]].map(([label, key]) => ({ name: label, type: "bar", barMaxWidth: 26, data: parts.map(part => part[key]) })),
}));

if (data.calibration) draw("calibration", () => ({
  legend: { data: data.calibration.map(each => each.name) }, tooltip: { trigger: "item", formatter: ({ seriesName, value }) => `${seriesName}<br>score ${value[0]}, IoU ${value[1]}<br>${value[2]} detections` },
  xAxis: { type: "value", min: 0, max: 1, name: "mean score" }, yAxis: { type: "value", min: 0, max: 1, name: "mean IoU", nameGap: 38 },
  series: [{ type: "line", name: "perfect", showSymbol: false, silent: true, lineStyle: { type: "dashed", color: color("soft") }, itemStyle: { color: color("soft") }, data: [[0, 0], [1, 1]] },
    ...data.calibration.map(each => ({ name: each.name, type: "line", data: each.points, symbolSize: value => 4 + Math.min(12, Math.sqrt(value[2]) / 2) }))],
}));

if (data.alignment) draw("alignment", () => ({
  tooltip: { trigger: "item", formatter: ({ value }) => `score ${value[0]}, IoU ${value[1]}${pictures[value[2]] ? `<br>${echarts.format.encodeHTML(pictures[value[2]].file)}` : ""}` },
  xAxis: { type: "value", min: 0, max: 1, name: "score" }, yAxis: { type: "value", min: .5, max: 1, name: "IoU", nameGap: 38 },
  dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl" }, { type: "inside", yAxisIndex: 0, zoomOnMouseWheel: "ctrl" }],
  series: [{ type: "scatter", symbolSize: 7, itemStyle: { opacity: .55 }, data: data.alignment }],
}))?.on("click", ({ value }) => { if (pictures[value[2]]) view([{ image: value[2], found: null, object: null }], 0); });

function showLayers(place) {
  const frame = at("layers-view");
  at("layers-image").value = place;
  frame.onload = () => { frame.style.height = `${frame.contentDocument.documentElement.scrollHeight + 20}px`; };
  frame.srcdoc = data.layers[place];
}
if (data.layers) {
  at("layers-image").addEventListener("change", event => showLayers(event.target.value));
  showLayers(Object.keys(data.layers)[0]);
}
