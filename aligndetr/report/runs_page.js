"use strict";
// The sections of several runs.
const lines = ["solid", "dashed", "dotted"];
for (const each of data.charts || []) {
  const chosen = document.querySelector(`select[data-chart="${each.id}"]`);
  const options = () => {
    const seen = {}, colors = palette();
    return curves(each.views[chosen ? Number(chosen.value) : 0].curves.map(curve => {
      const place = seen[curve.method] = (seen[curve.method] ?? -1) + 1;  // of the runs of a method
      return { ...curve, style: { color: colors[curve.method % colors.length], type: lines[place % lines.length] } };
    }));
  };
  draw(each.id, options, true);
  chosen?.addEventListener("change", () => draw(each.id, options, true));
}

if (data.movements) draw("movements", () => {
  const { classes, methods } = data.movements;
  const order = classes.map((_, i) => i).sort((a, b) => (methods[0].values[b] ?? 0) - (methods[0].values[a] ?? 0));
  return {
    legend: methods.length > 1 ? {} : undefined, grid: { left: 110 }, tooltip: { trigger: "axis", axisPointer: { type: "shadow" } },
    xAxis: { type: "value", name: "difference of AP" }, yAxis: { type: "category", inverse: true, data: order.map(i => classes[i]) },
    dataZoom: classes.length > 25 ? [{ type: "slider", yAxisIndex: 0, width: 14, right: 2, end: 2500 / classes.length }] : undefined,
    series: methods.map(method => ({ name: method.name, type: "bar", barMaxWidth: 20, data: order.map(i => method.values[i]) })),
  };
});

for (const holder of document.querySelectorAll(".gallery[data-pair]")) {
  const pair = data.pairs[Number(holder.dataset.pair)];
  gallery(holder, pair[holder.dataset.side].map(example => ({ ...example, runs: pair.runs })));
}
