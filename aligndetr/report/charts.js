"use strict";
// What charts have in common. Every chart is a function that makes its options, so that all can be
// drawn again in other colours when the reader's system turns dark.
const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const dark = matchMedia("(prefers-color-scheme: dark)");
const drawn = new Map();

const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const palette = () => dark.matches
  ? ["#6cb2eb", "#f6a06b", "#6fd3a8", "#e3a6d0", "#f0c55b", "#9fd8f5", "#c3a6ff", "#d9d9d9"]
  : ["#0072b2", "#d55e00", "#009e73", "#b0558f", "#b37a00", "#3a9bdc", "#6a4fb3", "#555555"];

function draw(id, options, zoomed = false) {
  const holder = at(`chart-${id}`);
  if (!holder) return null;
  let chart = drawn.get(id)?.chart;
  if (!chart) {
    chart = echarts.init(holder);
    new ResizeObserver(() => chart.resize()).observe(holder);
    if (zoomed) { chart.group = "iterations"; echarts.connect("iterations"); }
  }
  drawn.set(id, { chart, options });
  chart.setOption(dressed(options()), { notMerge: true });
  return chart;
}

function dressed(options) {
  const soft = color("soft"), line = color("line");
  const axis = each => each && {
    nameTextStyle: { color: soft }, axisLabel: { color: soft, hideOverlap: true }, axisLine: { lineStyle: { color: line } },
    splitLine: { lineStyle: { color: line, opacity: .6 } }, nameLocation: "middle", nameGap: 28, ...each,
  };
  return {
    animation: false, color: palette(), textStyle: { fontFamily: "inherit", color: color("ink") },
    ...options,
    grid: { left: 58, right: 18, top: 34, bottom: 46, ...options.grid },
    legend: options.legend && { type: "scroll", top: 0, textStyle: { color: color("ink") }, pageIconColor: color("ink"),
      pageIconInactiveColor: line, pageTextStyle: { color: soft }, ...options.legend },
    tooltip: { confine: true, backgroundColor: color("panel"), borderColor: line, textStyle: { color: color("ink") }, ...options.tooltip },
    xAxis: axis(options.xAxis), yAxis: axis(options.yAxis),
  };
}

// First and last iteration of all charts: they zoom together, so that all must show the same.
const ends = (data.charts || []).flatMap(each => each.views.flatMap(view => view.curves.flatMap(
  curve => curve.points.length ? [curve.points[0][0], curve.points.at(-1)[0]] : [])));
const [start, end] = [Math.min(...ends), Math.max(...ends)];

// Curves over iterations, with a bar to zoom.
function curves(list, extra = {}) {
  const many = list.length > 1, few = list.every(each => each.points.length < 30);
  return {
    grid: { bottom: 74 },
    legend: many ? { data: list.map(each => each.name) } : undefined,
    tooltip: { trigger: "axis", order: "valueDesc", valueFormatter: value => value === undefined ? "" : Number(value).toPrecision(4) },
    xAxis: { type: "value", min: start, max: end, name: "iteration", nameGap: 24 },
    yAxis: { type: "value", scale: true },
    dataZoom: [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl", moveOnMouseWheel: false },
      { type: "slider", filterMode: "none", height: 18, bottom: 6, borderColor: color("line"), textStyle: { color: color("soft") } }],
    series: list.map(each => ({ name: each.name, type: "line", data: each.points, showSymbol: few, symbolSize: 5,
      lineStyle: { width: 1.8, ...each.style }, itemStyle: each.style && { color: each.style.color } })),
    ...extra,
  };
}

dark.addEventListener("change", () => { for (const [id, { options }] of drawn) draw(id, options); });
