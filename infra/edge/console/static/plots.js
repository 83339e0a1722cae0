"use strict";
// Draws the charts of a page: each element with data-plot, from the JSON at that address. Without this script its SVG stays.
const HEIGHT = 180;
const MOST_NAMED = 8;  // lines beyond which a legend would be longer than the chart
const drawn = new WeakMap();

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const colourOf = (place) => `hsl(${(8 + place * 137) % 360} 70% ${isDark() ? 68 : 38}%)`;
const shapeOf = (chart) => JSON.stringify([chart.unit, chart.lines.map((it) => it.name), isDark()]);

const optionsOf = (node, chart) => {
  const clock = (_, moments) => {
    const digits = moments.some((it) => it % 60) ? 19 : 16;
    return moments.map((it) => new Date(it * 1000).toISOString().slice(11, digits));
  };
  const axis = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } };
  return {
    width: node.clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: chart.lines.length <= MOST_NAMED },
    scales: { y: { range: (_, least, most) => [0, Math.max(1, most || 0) * 1.05] } },
    axes: [{ ...axis, values: clock, space: 80 }, { ...axis, size: 56, label: chart.unit, labelSize: 18 }],
    series: [{ label: "UTC", value: (_, at) => at ? new Date(at * 1000).toISOString().slice(11, 19) : "" }, ...chart.lines.map((it, place) => ({ label: it.name, stroke: colourOf(place), width: 2, points: { show: false } }))],
  };
};

const draw = (node, chart) => {
  if (!chart.lines.length || !node.clientWidth) return;
  const data = [chart.at_s, ...chart.lines.map((it) => it.values)];
  const before = drawn.get(node);
  if (before?.shape === shapeOf(chart)) {
    if (before.plot.width !== node.clientWidth) before.plot.setSize({ width: node.clientWidth, height: HEIGHT });
    before.plot.setData(data);
    return;
  }
  node.replaceChildren();
  drawn.set(node, { shape: shapeOf(chart), plot: new uPlot(optionsOf(node, chart), data, node) });
};

const refresh = async (node) => {
  if (node.dataset.asked && Date.now() - Number(node.dataset.asked) < 900) return;
  node.dataset.asked = String(Date.now());
  const answer = await fetch(node.dataset.plot).catch(() => null);
  if (answer?.ok) draw(node, await answer.json());
};

const refreshAll = () => document.querySelectorAll("[data-plot]").forEach(refresh);

document.addEventListener("live", refreshAll);
addEventListener("resize", refreshAll);
refreshAll();
