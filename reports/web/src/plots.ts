// Latency and throughput on the history's time axis, with the faults shaded behind them. Only for histories that have times.
import uPlot from 'uplot';
import {Data, firstBeginning, OK} from './data';
import {gutter, margin} from './lanes';
import {Theme} from './theme';
import {View} from './view';
import {duration} from './words';

const most_bins = 240, fewest_bins = 16;
const buckets_per_doubling = 8;
const buckets = 52 * buckets_per_doubling;

interface Summary { x: Float64Array; median: (number | null)[]; high: (number | null)[]; most: (number | null)[]; ok: number[]; failed: number[]; open: number[] }

function bucketOf(ticks: number): number { return Math.min(buckets - 1, Math.floor(Math.log2(Math.max(1, ticks)) * buckets_per_doubling)); }
function middleOf(bucket: number): number { return 2 ** ((bucket + 0.5) / buckets_per_doubling); }

// Percentiles from a histogram whose buckets are 9 % wide; the maximum is exact.
export function summarize(d: Data, view: View): Summary {
  // Few operations get few bins, or every bin would hold one or none.
  const inSight = firstBeginning(d, view.to) - firstBeginning(d, view.from);
  const bins = Math.max(fewest_bins, Math.min(most_bins, Math.floor(inSight / 3)));
  const counts = new Uint32Array(bins * buckets), ok = new Float64Array(bins), failed = new Float64Array(bins), open = new Float64Array(bins);
  const most = new Float64Array(bins), ended = new Uint32Array(bins);
  const width = (view.to - view.from) / bins;
  const unit = d.header.unit;
  for (let o = firstBeginning(d, view.from); o < d.count && d.begin[o]! <= view.to; ++o) {
    if (!view.isChosen(o)) continue;
    const bin = Math.min(bins - 1, Math.floor((d.begin[o]! - view.from) / width));
    const outcome = d.outcome[o]!;
    (outcome === OK ? ok : outcome === 1 ? failed : open)[bin]! += 1;
    if (outcome !== OK) continue;
    const took = d.end[o]! - d.begin[o]!;
    ++counts[bin * buckets + bucketOf(took)]!;
    ++ended[bin]!;
    if (took > most[bin]!) most[bin] = took;
  }
  const at = (bin: number, share: number): number | null => {
    if (ended[bin] === 0) return null;
    let left = Math.ceil(ended[bin]! * share);
    for (let b = 0; b < buckets; ++b) {
      left -= counts[bin * buckets + b]!;
      if (left <= 0) return Math.min(middleOf(b), Math.max(1, most[bin]!)) * unit;
    }
    return null;
  };
  const second = 1e9 / d.header.unit, rate = (n: number) => n * d.header.stride / width * second;
  const all = Array.from({length: bins}, (_, i) => i);
  return {
    x: Float64Array.from(all, i => view.from + (i + 0.5) * width),
    median: all.map(i => at(i, 0.5)),
    high: all.map(i => at(i, 0.99)),
    most: all.map(i => ended[i]! > 0 ? Math.max(1, most[i]!) * unit : null),
    ok: all.map(i => rate(ok[i]!)),
    failed: all.map(i => rate(failed[i]!)),
    open: all.map(i => rate(open[i]!)),
  };
}

function short(n: number): string { return n >= 1e6 ? `${n / 1e6}M` : n >= 1e3 ? `${n / 1e3}k` : String(Number(n.toPrecision(3))); }

export class Plots {
  private readonly latency: uPlot;
  private readonly throughput: uPlot;
  private timer = 0;

  constructor(readonly d: Data, readonly view: View, latencyBox: HTMLElement, throughputBox: HTMLElement, private theme: () => Theme) {
    const took = (_: uPlot, v: number | null) => v === null ? '–' : duration(v);
    const perSecond = (_: uPlot, v: number | null) => v === null ? '–' : `${short(v)}/s`;
    const line = (label: string, role: 'ok' | 'open' | 'fail' | 'bad' | 'soft', value: uPlot.Series.Value, dash?: number[]): uPlot.Series =>
      ({label, stroke: () => this.theme()[role], width: 1.5, spanGaps: true, points: {show: u => u.data[0].length < 60, size: 4}, value, ...(dash ? {dash} : {})});
    this.latency = this.make(latencyBox, 130, [line('median', 'ok', took), line('99 %', 'open', took, [6, 3]), line('slowest', 'fail', took, [2, 3])],
      {distr: 3, log: 10}, (_, ticks) => ticks.map(v => v === null || !/^1(0*|e.*)$/.test(String(v)) ? '' : duration(v)));
    this.throughput = this.make(throughputBox, 110, [line('ok', 'ok', perSecond), line('failed', 'fail', perSecond, [2, 3]), line('info', 'open', perSecond, [6, 3])],
      {range: (_, __, max) => [0, Math.max(1e-9, max || 1) * 1.1]}, (_, ticks) => ticks.map(short));
  }

  private make(box: HTMLElement, height: number, series: uPlot.Series[], y: uPlot.Scale, values: (u: uPlot, ticks: number[]) => string[]): uPlot {
    const axis = {stroke: () => this.theme().soft, grid: {stroke: () => this.theme().line, width: 1}, ticks: {show: false}, font: '11px system-ui, sans-serif'};
    const plot = new uPlot({
      width: 600, height, pxAlign: false, padding: [8, margin, 8, 0],
      legend: {live: true}, cursor: {drag: {x: true, y: false, setScale: false}, points: {size: 6}, y: false},
      scales: {x: {time: false, range: () => [this.view.from, this.view.to]}, y},
      axes: [{...axis, show: false}, {...axis, size: gutter, values: values as uPlot.Axis.Values}],
      series: [{label: 'at', value: () => ''}, ...series],
      hooks: {
        drawClear: [u => this.shade(u)],
        setSelect: [u => this.selected(u)],
        setCursor: [u => {
          if (!u.root.matches(':hover')) return;
          const left = u.cursor.left ?? -1;
          this.view.point(-1, left >= 0 ? u.posToVal(left, 'x') : null);
        }],
      },
    }, [[], ...series.map(() => [])] as unknown as uPlot.AlignedData, box);
    return plot;
  }

  private selected(u: uPlot): void {
    if (u.select.width < 4) return;
    const from = u.posToVal(u.select.left, 'x'), to = u.posToVal(u.select.left + u.select.width, 'x');
    u.setSelect({left: 0, width: 0, top: 0, height: 0}, false);
    this.view.show(from, to);
  }

  private shade(u: uPlot): void {
    const {left, top, width, height} = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(left, top, width, height);
    u.ctx.clip();
    for (const fault of this.d.header.faults) {
      const from = u.valToPos(fault.from, 'x', true), to = u.valToPos(fault.to ?? this.view.end, 'x', true);
      if (to < left || from > left + width) continue;
      u.ctx.fillStyle = this.theme()['fault-tint'];
      u.ctx.fillRect(from, top, Math.max(1, to - from), height);
      u.ctx.fillStyle = this.theme().fault;
      for (const x of [from, to]) for (let y = top; y < top + height; y += 6) u.ctx.fillRect(x, y, 1, 2);
    }
    u.ctx.fillStyle = this.theme().bad;
    for (const anomaly of this.d.header.anomalies) {
      if (anomaly.culprit !== undefined) u.ctx.fillRect(u.valToPos(this.d.begin[anomaly.culprit]!, 'x', true), top, 2, height);
    }
    u.ctx.restore();
  }

  resize(width: number): void {
    this.latency.setSize({width, height: 130});
    this.throughput.setSize({width, height: 110});
  }

  // At once the old points on the new axis; the new points when the window rests.
  follow(): void {
    for (const u of [this.latency, this.throughput]) u.setScale('x', {min: this.view.from, max: this.view.to});
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => this.summarizeNow(), 90);
  }
  redraw(): void { for (const u of [this.latency, this.throughput]) u.redraw(false, true); }

  summarizeNow(): void {
    const s = summarize(this.d, this.view);
    this.latency.setData([s.x, s.median, s.high, s.most] as unknown as uPlot.AlignedData);
    this.throughput.setData([s.x, s.ok, s.failed, s.open] as unknown as uPlot.AlignedData);
  }

  pointAt(tick: number | null): void {
    for (const u of [this.latency, this.throughput]) {
      if (u.root.matches(':hover')) continue;
      u.setCursor({left: tick === null ? -10 : u.valToPos(tick, 'x'), top: 10}, false);
    }
  }
}

