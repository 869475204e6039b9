/** The two plots of the report, two minutes wide, and the table that says the same in numbers. */

import { count, latency } from './format.js';
import { element } from './server.js';
import uPlot from './uplot/uPlot.esm.js';

const SHOWN_S = 120;
const HEIGHT = 236;
const ROUTES = ['cached', 'uncached'];

let samples = [];
let plots = [];

export function startPlots() {
  build();
  // Canvases do not follow the style sheet by themselves.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', build);
  new ResizeObserver(fit).observe(element('plot-rate'));
}

/** All that the server remembers. */
export function showSamples(all) {
  samples = all.slice(-SHOWN_S);
  draw();
  for (const route of ROUTES) showFigures(route);
}

export function addSample(sample) {
  showSamples([...samples, sample]);
}

/** Of a second that was answered from its beginning to its end, if there is one: the last of a run is cut short. */
function showFigures(route) {
  const isBusy = (sample) => sample !== undefined && sample[route].count > 0;
  const full =
    samples.findLast((sample, at) => isBusy(sample) && isBusy(samples[at + 1])) ?? samples.findLast(isBusy);
  if (full === undefined) return;
  const { count: answers, p50, p99 } = full[route];
  const row = document.querySelector(`#report tr[data-route="${route}"]`);
  const cell = (name) => row.querySelector(`[data-cell="${name}"]`);
  cell('rate').textContent = count(answers);
  cell('p50').textContent = latency(p50);
  cell('p99').textContent = latency(p99);
}

function build() {
  for (const plot of plots) plot.destroy();
  const ink = colours();
  plots = [rates(ink), latencies(ink)];
  draw();
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return { cached: get('--accent'), uncached: get('--quiet'), line: get('--line'), text: get('--soft') };
}

function rates(ink) {
  const series = [
    line('with the cache', ink.cached, { width: 2, fill: `${ink.cached}1f` }),
    line('without', ink.uncached, { width: 2 }),
  ];
  const scales = { y: { range: (_plot, _min, max) => [0, Math.max(10, (max ?? 0) * 1.1)] } };
  return open('plot-rate', ink, series, scales, {});
}

function latencies(ink) {
  const dashed = { dash: [4, 4], width: 1.5 };
  const series = [
    line('p50 with the cache', ink.cached, { width: 2 }),
    line('p99 with the cache', ink.cached, dashed),
    line('p50 without', ink.uncached, { width: 2 }),
    line('p99 without', ink.uncached, dashed),
  ];
  const scales = { y: { distr: 3, range: [0.1, 1000] } };
  return open('plot-latency', ink, series, scales, { splits: () => [0.1, 1, 10, 100, 1000] });
}

function line(label, stroke, more) {
  return { label, stroke, points: { show: false }, ...more };
}

function open(id, ink, series, scales, yAxis) {
  const target = element(id);
  const axis = {
    stroke: ink.text,
    font: '11px Inter, system-ui, sans-serif',
    grid: { stroke: ink.line, width: 1 },
    ticks: { show: false },
  };
  const options = {
    width: Math.max(200, target.clientWidth),
    height: HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    series: [{}, ...series],
    scales: { x: { time: true, range: lastMinutes }, ...scales },
    axes: [
      {
        ...axis,
        size: 30,
        space: 70,
        values: (_plot, times) => times.map(secondsAgo),
        splits: everyHalfMinute,
      },
      { ...axis, size: 44, values: (_plot, splits) => splits.map(String), ...yAxis },
    ],
  };
  return new uPlot(options, [[], ...series.map(() => [])], target);
}

function newest() {
  return (samples.at(-1)?.at ?? Date.now()) / 1000;
}

function lastMinutes() {
  return [newest() - SHOWN_S, newest()];
}

function everyHalfMinute() {
  return [90, 60, 30].map((ago) => newest() - ago);
}

function secondsAgo(time) {
  return `${Math.round(newest() - time)} s ago`;
}

function draw() {
  const at = samples.map((sample) => sample.at / 1000);
  const of = (route, what) => samples.map((sample) => sample[route][what]);
  const [rate, times] = plots;
  rate?.setData([at, of('cached', 'count'), of('uncached', 'count')]);
  times?.setData([
    at,
    of('cached', 'p50'),
    of('cached', 'p99'),
    of('uncached', 'p50'),
    of('uncached', 'p99'),
  ]);
}

function fit() {
  for (const plot of plots) {
    const width = plot.root.parentElement.clientWidth;
    if (width > 0) plot.setSize({ width, height: HEIGHT });
  }
}
