// What the nodes said of themselves on the same axis: who led in which term, and how far their clocks were off.
import {Data} from './data';
import {clip, fit, gutter, Lanes, margin} from './lanes';
import {Theme} from './theme';

const row_height = 18;
const offset_height = 70;
const font = '11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace';

interface Segment { from: number; to: number; text: string; odd: boolean }
interface Row { name: string; segments: Segment[] }

// One row per node whose term is known, and its role if its log tells it, below the row of the cluster as a whole.
export function termRows(d: Data): Row[] {
  const rows: Row[] = [];
  const add = (name: string, points: [number, number, string][]) => {
    if (points.length === 0) return;
    rows.push({name, segments: points.map(([from, term, leader], i) =>
      ({from, to: points[i + 1]?.[0] ?? d.header.last, text: leader ? `term ${term} · ${leader}` : `term ${term}`, odd: term % 2 === 1}))});
  };
  add('term', d.header.terms);
  const nodes = [...new Set(d.header.node_terms.map(point => point[0]))].sort();
  for (const node of nodes.slice(0, 12)) add(node, d.header.node_terms.filter(p => p[0] === node).map(p => [p[1], p[2], p[3]]));
  return rows;
}

export class TermStrip {
  private readonly rows: Row[];
  constructor(d: Data, readonly lanes: Lanes, readonly canvas: HTMLCanvasElement) { this.rows = termRows(d); }

  draw(theme: Theme): void {
    const width = this.lanes.width, c = fit(this.canvas, width, this.rows.length * row_height + 2);
    c.fillStyle = theme.page;
    c.fillRect(0, 0, width, this.rows.length * row_height + 2);
    c.font = font;
    c.textBaseline = 'middle';
    this.rows.forEach((row, i) => {
      const y = i * row_height;
      c.textAlign = 'right';
      c.fillStyle = theme.soft;
      c.fillText(clip(row.name, 10), gutter - 6, y + row_height / 2);
      c.textAlign = 'left';
      for (const segment of row.segments) {
        const from = Math.max(gutter, this.lanes.x(segment.from)), to = Math.min(gutter + this.lanes.inner, this.lanes.x(segment.to));
        if (to <= gutter || from >= gutter + this.lanes.inner) continue;
        c.fillStyle = segment.odd ? theme['ok-fill'] : theme['fault-fill'];
        c.fillRect(from, y + 1, Math.max(1, to - from), row_height - 3);
        c.fillStyle = theme.text;
        c.fillRect(from, y + 1, 1.5, row_height - 3);
        const text = clip(segment.text, Math.floor((to - from - 8) / 6.7));
        if (text.length > 1) c.fillText(text, from + 5, y + row_height / 2);
      }
    });
  }
}

export class OffsetStrip {
  private readonly byNode = new Map<string, [number, number][]>();
  private readonly most: number;

  constructor(readonly d: Data, readonly lanes: Lanes, readonly canvas: HTMLCanvasElement) {
    for (const [node, tick, offset] of d.header.offsets) this.byNode.set(node, [...this.byNode.get(node) ?? [], [tick, offset]]);
    this.most = Math.max(1e-6, ...d.header.offsets.slice(0, 20000).map(point => Math.abs(point[2])));
  }

  draw(theme: Theme): void {
    const width = this.lanes.width, c = fit(this.canvas, width, offset_height);
    c.fillStyle = theme.page;
    c.fillRect(0, 0, width, offset_height);
    c.font = font;
    c.textBaseline = 'middle';
    c.textAlign = 'right';
    c.fillStyle = theme.soft;
    const y = (offset: number) => offset_height / 2 - offset / this.most * (offset_height / 2 - 10);
    for (const offset of [this.most, 0, -this.most]) {
      c.fillText(`${Number(offset.toPrecision(3))} s`, gutter - 6, y(offset));
      c.fillRect(gutter, y(offset), this.lanes.inner, 0.5);
    }
    c.save();
    c.beginPath();
    c.rect(gutter, 0, width - gutter - margin, offset_height);
    c.clip();
    const colours = [theme.ok, theme.open, theme.fault, theme.bad, theme.good], dashes = [[], [6, 3], [2, 3], [8, 3, 2, 3], [1, 2]];
    [...this.byNode].forEach(([node, points], i) => {
      c.strokeStyle = c.fillStyle = colours[i % colours.length]!;
      c.setLineDash(dashes[i % dashes.length]!);
      c.beginPath();
      points.forEach(([tick, offset]) => c.lineTo(this.lanes.x(tick), y(offset)));
      c.lineTo(this.lanes.x(this.d.header.last), y(points[points.length - 1]![1]));
      c.stroke();
      c.setLineDash([]);
      // Named where it stands at the right edge of the window.
      const last = [...points].reverse().find(point => point[0] <= this.lanes.view.to) ?? points[0]!;
      c.fillText(clip(node, 10), gutter + this.lanes.inner - 4 - i * 40, y(last[1]) + (last[1] > 0 ? 8 : -8));
    });
    c.restore();
  }
}
