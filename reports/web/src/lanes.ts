// The history as lanes on a canvas: boxes when few are in sight, pixels when many are, the pyramid when too many are to look at each.
import {Data, firstBeginning, firstInLane, LaneIndex, OPEN, SHOWN_CORE} from './data';
import {Pyramid, rowOf, shownAs, SHOWN_BAD} from './pyramid';
import {pixel, Theme} from './theme';
import {View} from './view';
import {moment, operationText, span} from './words';

export const gutter = 76;
export const margin = 10;
const stripe_height = 16;
const axis_height = 22;
const most_boxes = 3000;
const most_single = 40_000;
const overview_height = 56;
const font = '11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace';

export function fit(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const ratio = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio)), h = Math.max(1, Math.round(height * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext('2d')!;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

// Round steps of at most `most` ticks of the axis.
export function ticksOf(d: Data, from: number, to: number, most: number): { at: number; label: string }[] {
  const unit = d.header.timed ? d.header.unit : 1, origin = d.header.timed ? d.header.origin : 0;
  const rough = (to - from) * unit / Math.max(1, most), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(n => n * power).find(s => s >= rough)!;
  const list: { at: number; label: string }[] = [];
  for (let t = Math.ceil((from * unit + origin) / step) * step; t <= to * unit + origin; t += step) {
    const decimals = Math.max(0, Math.ceil(9 - Math.log10(step) - 1e-9));
    list.push({at: (t - origin) / unit, label: d.header.timed ? `${(t / 1e9).toFixed(Math.min(9, decimals))} s` : String(Math.round(t))});
  }
  return list;
}

export class Lanes {
  readonly pyramid: Pyramid;
  private readonly image = document.createElement('canvas');
  private readonly overviewImage = document.createElement('canvas');
  private overviewKey = '';
  private stripes: { row: number }[] = [];
  private stripeRows = 0;
  private rowHeight = 10;
  width = 600;
  height = 400;

  constructor(readonly d: Data, readonly view: View, readonly canvas: HTMLCanvasElement, readonly overview: HTMLCanvasElement) {
    this.pyramid = new Pyramid(d, d.count > 1_200_000 ? 65536 : d.count > 50_000 ? 32768 : 8192);
    this.stackFaults();
  }

  private stackFaults(): void {
    const kinds = new Map<string, number>();
    for (const fault of this.d.header.faults) if (!kinds.has(fault.kind) && kinds.size < 8) kinds.set(fault.kind, kinds.size);
    this.stripes = this.d.header.faults.map(fault => ({row: kinds.get(fault.kind) ?? 7}));
    this.stripeRows = kinds.size;
  }

  get top(): number { return this.stripeRows * stripe_height + axis_height; }
  x(tick: number): number { return gutter + (tick - this.view.from) / (this.view.to - this.view.from) * this.inner; }
  tick(x: number): number { return this.view.from + (x - gutter) / this.inner * (this.view.to - this.view.from); }
  overviewTick(x: number): number { return (x - gutter) / this.inner * this.view.end; }
  get inner(): number { return Math.max(10, this.width - gutter - margin); }

  resize(width: number): void {
    this.width = width;
    this.rowHeight = Math.min(26, Math.max(2, Math.floor(480 / this.pyramid.rows)));
    this.height = this.top + this.rowHeight * this.pyramid.rows + 2;
  }

  draw(theme: Theme): void {
    const c = fit(this.canvas, this.width, this.height);
    c.font = font;
    c.textBaseline = 'middle';
    c.fillStyle = theme.page;
    c.fillRect(0, 0, this.width, this.height);
    this.drawFaults(c, theme);
    c.save();
    c.beginPath();
    c.rect(gutter, this.top, this.inner, this.height - this.top);
    c.clip();
    this.drawTints(c, theme);
    this.drawOperations(c, theme);
    this.drawMarks(c, theme);
    c.restore();
    this.drawNames(c, theme);
    this.drawAxis(c, theme);
    if (this.view.hoverAt !== null) {
      c.strokeStyle = theme.soft;
      c.beginPath();
      c.moveTo(Math.round(this.x(this.view.hoverAt)) + 0.5, this.top);
      c.lineTo(Math.round(this.x(this.view.hoverAt)) + 0.5, this.height);
      c.stroke();
    }
  }

  private drawFaults(c: CanvasRenderingContext2D, theme: Theme): void {
    const named = new Set<number>();
    this.d.header.faults.forEach((fault, i) => {
      const row = this.stripes[i]!.row, y = row * stripe_height;
      if (!named.has(row)) {
        named.add(row);
        c.fillStyle = theme.fault;
        c.textAlign = 'right';
        c.fillText(clip(fault.kind, 10), gutter - 6, y + stripe_height / 2);
      }
      const from = Math.max(gutter, this.x(fault.from)), to = Math.min(gutter + this.inner, this.x(fault.to ?? this.view.end));
      if (to < gutter || from > gutter + this.inner) return;
      c.fillStyle = theme['fault-fill'];
      c.fillRect(from, y + 1, Math.max(2, to - from), stripe_height - 3);
      if (to - from > 7 * fault.label.length + 8) {
        c.fillStyle = theme.fault;
        c.textAlign = 'left';
        c.fillText(fault.label, from + 4, y + stripe_height / 2);
      }
    });
  }

  private drawTints(c: CanvasRenderingContext2D, theme: Theme): void {
    for (const fault of this.d.header.faults) {
      const from = this.x(fault.from), to = this.x(fault.to ?? this.view.end);
      if (to < gutter || from > gutter + this.inner) continue;
      c.fillStyle = theme['fault-tint'];
      c.fillRect(from, this.top, Math.max(1, to - from), this.height - this.top);
      c.fillStyle = theme.fault;
      for (const x of [from, to]) for (let y = this.top; y < this.height; y += 4) c.fillRect(Math.round(x), y, 1, 1.5);
    }
  }

  // How many operations begin in the window: a measure for how to draw.
  inSight(): number { return firstBeginning(this.d, this.view.to) - firstBeginning(this.d, this.view.from); }

  private drawOperations(c: CanvasRenderingContext2D, theme: Theme): void {
    const many = this.inSight();
    if (many <= most_boxes) return this.drawBoxes(c, theme);
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(this.inner * ratio);
    const rows = this.pyramid.rows;
    this.image.width = width;
    this.image.height = rows;
    const context = this.image.getContext('2d')!;
    const image = context.createImageData(width, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const all = this.view.keys === null;
    const colours = this.colours(theme, all ? 1 : 0.22);
    if (many > most_single) this.pyramid.paint(pixels, width, this.view.from, this.view.to, colours);
    else this.paintEach(pixels, width, colours, this.d.byLane);
    if (!all) this.paintEach(pixels, width, this.colours(theme, 1), this.view.chosen);
    context.putImageData(image, 0, 0);
    c.imageSmoothingEnabled = false;
    c.drawImage(this.image, gutter, this.top, this.inner, rows * this.rowHeight);
    if (this.rowHeight >= 5) {
      c.fillStyle = theme.page;
      for (let row = 0; row <= rows; ++row) c.fillRect(gutter, this.top + row * this.rowHeight - 1, this.inner, 1.5);
    }
  }

  private colours(theme: Theme, share: number): Uint32Array {
    const colour = (name: string) => pixel(name, share, theme.page);
    return Uint32Array.of(0, colour(theme.fail), colour(theme.ok), colour(theme.open), pixel(theme.bad));
  }

  // Worse things hide better ones, as in the pyramid.
  private paintEach(pixels: Uint32Array, width: number, colours: Uint32Array, index: LaneIndex): void {
    const d = this.d, rows = this.pyramid.rows, scale = width / (this.view.to - this.view.from);
    const worst = new Uint8Array(pixels.length);
    for (let lane = 0; lane < d.header.lanes; ++lane) {
      const end = index.start[lane + 1]!;
      for (let i = firstInLane(d, index, lane, this.view.from); i < end; ++i) {
        const o = index.ops[i]!;
        if (d.begin[o]! > this.view.to) break;
        const kind = shownAs(d, o);
        const from = Math.max(0, Math.floor((d.begin[o]! - this.view.from) * scale));
        const to = Math.min(width - 1, Math.floor((d.end[o]! - this.view.from) * scale));
        const row = rowOf(d, rows, o) * width;
        for (let x = row + from; x <= row + to; ++x) {
          if (worst[x]! >= kind) continue;
          worst[x] = kind;
          pixels[x] = colours[kind]!;
        }
      }
    }
  }

  private drawBoxes(c: CanvasRenderingContext2D, theme: Theme): void {
    const d = this.d, h = this.rowHeight;
    c.strokeStyle = theme.line;
    c.textAlign = 'left';
    for (let row = 0; row <= this.pyramid.rows && h >= 5; ++row) {
      c.beginPath();
      c.moveTo(gutter, this.top + row * h - 0.5);
      c.lineTo(gutter + this.inner, this.top + row * h - 0.5);
      c.stroke();
    }
    for (let lane = 0; lane < d.header.lanes; ++lane) {
      const end = d.byLane.start[lane + 1]!;
      for (let i = firstInLane(d, d.byLane, lane, this.view.from); i < end; ++i) {
        const o = d.byLane.ops[i]!;
        if (d.begin[o]! > this.view.to) break;
        this.drawBox(c, theme, o);
      }
    }
    c.globalAlpha = 1;
    c.setLineDash([]);
  }

  private drawBox(c: CanvasRenderingContext2D, theme: Theme, o: number): void {
    const d = this.d, h = this.rowHeight, pad = h >= 8 ? 2 : 0.5;
    const kind = shownAs(d, o), outcome = d.outcome[o]!;
    const x = Math.max(gutter - 4, this.x(d.begin[o]!)), right = Math.min(gutter + this.inner + 4, this.x(d.end[o]!));
    const y = this.top + rowOf(d, this.pyramid.rows, o) * h + pad, width = Math.max(2, right - x), height = h - 2 * pad;
    const line = kind === SHOWN_BAD ? theme.bad : outcome === 0 ? theme.ok : outcome === 1 ? theme.fail : theme.open;
    const fill = kind === SHOWN_BAD ? theme['bad-fill'] : outcome === 0 ? theme['ok-fill'] : outcome === 1 ? theme.page : theme['open-fill'];
    c.globalAlpha = this.view.isChosen(o) ? 1 : 0.18;
    c.fillStyle = width < 4 ? line : fill;
    c.fillRect(x, y, width, height);
    c.strokeStyle = line;
    c.lineWidth = kind === SHOWN_BAD ? 2 : 1;
    c.setLineDash(outcome >= 2 ? [4, 3] : []);
    c.beginPath();
    if (outcome === OPEN) {
      c.moveTo(x + width, y);
      c.lineTo(x, y);
      c.lineTo(x, y + height);
      c.lineTo(x + width, y + height);
    } else {
      c.rect(x + 0.5, y + 0.5, Math.max(1, width - 1), Math.max(1, height - 1));
    }
    if (outcome === 1) for (let s = x; s < x + width - height; s += 5) { c.moveTo(s, y + height); c.lineTo(s + height, y); }
    c.stroke();
    c.lineWidth = 1;
    if (height < 10 || width < 40) return;
    const text = clip(operationText(d, o), Math.floor((width - 8) / 6.7));
    c.fillStyle = kind === SHOWN_BAD ? theme.bad : theme.text;
    if (text.length > 3) c.fillText(text, x + 5, y + height / 2 + 0.5);
  }

  // What is part of a contradiction is pointed at, so that its colour is not all that tells it; pins and the hovered one are framed.
  private drawMarks(c: CanvasRenderingContext2D, theme: Theme): void {
    const d = this.d, h = this.rowHeight;
    const frame = (o: number, colour: string, width: number) => {
      const x = this.x(d.begin[o]!), right = this.x(d.end[o]!), y = this.top + rowOf(d, this.pyramid.rows, o) * h;
      if (right < gutter || x > gutter + this.inner) return;
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.strokeRect(x - 2, y, Math.max(3, right - x) + 4, Math.max(3, h - 1));
      c.lineWidth = 1;
    };
    for (const o of d.anomalyOf.keys()) {
      if (d.mark[o]! < SHOWN_CORE) continue;
      const x = this.x(d.begin[o]!), y = this.top + rowOf(d, this.pyramid.rows, o) * h;
      if (x < gutter - 6 || x > gutter + this.inner + 6) continue;
      c.fillStyle = theme.bad;
      c.beginPath();
      c.moveTo(x - 5, y - 7);
      c.lineTo(x + 5, y - 7);
      c.lineTo(x, y);
      c.fill();
      c.fillRect(x - 1, y, 2.5, h);
    }
    for (const o of this.view.pins) frame(o, theme.text, 2);
    if (this.view.hover >= 0) frame(this.view.hover, theme.focus, 2);
  }

  private drawNames(c: CanvasRenderingContext2D, theme: Theme): void {
    c.fillStyle = theme.page;
    c.fillRect(0, this.top, gutter, this.height - this.top);
    c.textAlign = 'right';
    c.fillStyle = theme.soft;
    const every = Math.max(1, Math.ceil(11 / this.rowHeight)), lanes = this.d.header.lanes, rows = this.pyramid.rows;
    for (let row = 0; row < rows; row += every) {
      const name = this.d.laneNames[Math.floor(row * lanes / rows)]!;
      c.fillText(clip(name, 10), gutter - 6, this.top + (row + 0.5) * this.rowHeight);
    }
  }

  private drawAxis(c: CanvasRenderingContext2D, theme: Theme): void {
    const y = this.top - 6;
    c.strokeStyle = theme.soft;
    c.fillStyle = theme.soft;
    c.textAlign = 'center';
    for (const tick of ticksOf(this.d, this.view.from, this.view.to, this.inner / 110)) {
      const x = this.x(tick.at);
      c.beginPath();
      c.moveTo(Math.round(x) + 0.5, y + 2);
      c.lineTo(Math.round(x) + 0.5, this.top);
      c.stroke();
      if (x > gutter + 24 && x < gutter + this.inner - 24) c.fillText(tick.label, x, y - 5);
    }
  }

  // All of it, small, with the window framed. The heat is drawn once per size, theme and key.
  drawOverview(theme: Theme): void {
    const c = fit(this.overview, this.width, overview_height + 4);
    const ratio = window.devicePixelRatio || 1, width = Math.round(this.inner * ratio);
    const key = [width, theme.page, theme.ok, this.view.verdict].join();
    if (key !== this.overviewKey) {
      this.overviewKey = key;
      this.overviewImage.width = width;
      this.overviewImage.height = this.pyramid.rows;
      const context = this.overviewImage.getContext('2d')!;
      const image = context.createImageData(width, this.pyramid.rows);
      const pixels = new Uint32Array(image.data.buffer);
      const shown: [number, number] = [this.view.from, this.view.to];
      this.pyramid.paint(pixels, width, 0, this.view.end, this.colours(theme, this.view.keys === null ? 0.8 : 0.25));
      if (this.view.keys !== null) {
        [this.view.from, this.view.to] = [0, this.view.end];
        this.paintEach(pixels, width, this.colours(theme, 1), this.view.chosen);
        [this.view.from, this.view.to] = shown;
      }
      context.putImageData(image, 0, 0);
    }
    c.fillStyle = theme.page;
    c.fillRect(0, 0, this.width, overview_height + 4);
    const full = (tick: number) => gutter + tick / this.view.end * this.inner;
    c.imageSmoothingEnabled = this.pyramid.rows > overview_height - 8;
    c.drawImage(this.overviewImage, gutter, 8, this.inner, overview_height - 8);
    for (const fault of this.d.header.faults) {
      c.fillStyle = theme.fault;
      c.fillRect(full(fault.from), 3, Math.max(1.5, full(fault.to ?? this.view.end) - full(fault.from)), 4);
    }
    c.fillStyle = theme.bad;
    for (const anomaly of this.d.header.anomalies) {
      if (anomaly.culprit === undefined) continue;
      const x = full(this.d.begin[anomaly.culprit]!);
      c.fillRect(x - 1, 8, 2, overview_height - 8);
      c.beginPath();
      c.moveTo(x - 5, 1);
      c.lineTo(x + 5, 1);
      c.lineTo(x, 9);
      c.fill();
    }
    const from = full(this.view.from), to = Math.max(from + 3, full(this.view.to));
    c.globalAlpha = 0.72;
    c.fillStyle = theme.page;
    c.fillRect(gutter, 0, from - gutter, overview_height + 2);
    c.fillRect(to, 0, gutter + this.inner - to, overview_height + 2);
    c.globalAlpha = 1;
    c.strokeStyle = theme.focus;
    c.lineWidth = 2;
    c.strokeRect(from, 1, to - from, overview_height);
    c.lineWidth = 1;
    c.fillStyle = theme.soft;
    c.font = font;
    c.textAlign = 'right';
    c.textBaseline = 'middle';
    c.fillText('all', gutter - 6, overview_height / 2);
  }

  // The operation under a point of the canvas, or near it; -1 if there is none.
  at(x: number, y: number): number {
    const row = Math.floor((y - this.top) / this.rowHeight), rows = this.pyramid.rows, lanes = this.d.header.lanes;
    if (row < 0 || row >= rows || x < gutter) return -1;
    const near = 4 / this.inner * (this.view.to - this.view.from), tick = this.tick(x);
    let best = -1, distance = near;
    for (let lane = Math.ceil(row * lanes / rows); lane < lanes && Math.floor(lane * rows / lanes) === row; ++lane) {
      for (let i = firstInLane(this.d, this.d.byLane, lane, tick - near); i < this.d.byLane.start[lane + 1]!; ++i) {
        const o = this.d.byLane.ops[i]!;
        if (this.d.begin[o]! > tick + near) break;
        const away = Math.max(0, this.d.begin[o]! - tick, tick - this.d.end[o]!) - (this.d.mark[o]! >= SHOWN_CORE ? near : 0);
        if (away < distance || best < 0) { best = o; distance = away; }
      }
    }
    return best;
  }

  windowText(): string {
    return `${moment(this.d, this.view.from, this.view.to - this.view.from)} to ${moment(this.d, this.view.to, this.view.to - this.view.from)} (${span(this.d, this.view.to - this.view.from)})`;
  }
}

export function clip(text: string, most: number): string {
  return text.length <= most ? text : most <= 1 ? '' : text.slice(0, most - 1) + '…';
}
