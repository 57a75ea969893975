// The history at every scale: per row and bin the worst thing that happened there, each level half as fine as the one below. Taking the worst keeps a single bad operation in sight however far one zooms out.
import {Data, SHOWN_CORE} from './data';

// In order of what hides what. A refused operation is no bad news beside one that went through; where all are refused it shows.
export const EMPTY = 0, SHOWN_FAIL = 1, SHOWN_OK = 2, SHOWN_OPEN = 3, SHOWN_BAD = 4;

// Lanes beyond these share rows.
export const most_rows = 256;

export function shownAs(d: Data, o: number): number {
  if (d.mark[o]! >= SHOWN_CORE) return SHOWN_BAD;
  const outcome = d.outcome[o]!;
  return outcome === 0 ? SHOWN_OK : outcome === 1 ? SHOWN_FAIL : SHOWN_OPEN;
}

interface Level { bins: number; worst: Uint8Array }

export class Pyramid {
  readonly rows: number;
  readonly levels: Level[] = [];
  private readonly last: number;

  constructor(d: Data, bins: number) {
    const lanes = Math.max(1, d.header.lanes);
    this.rows = Math.min(most_rows, lanes);
    this.last = Math.max(1, d.header.last);
    const base: Level = {bins, worst: new Uint8Array(this.rows * bins)};
    const scale = bins / (this.last + 1);
    for (let o = 0; o < d.count; ++o) {
      const row = rowOf(d, this.rows, o) * bins;
      const kind = shownAs(d, o);
      const from = row + Math.floor(d.begin[o]! * scale), to = row + Math.min(bins - 1, Math.floor(d.end[o]! * scale));
      for (let i = from; i <= to; ++i) if (base.worst[i]! < kind) base.worst[i] = kind;
    }
    this.levels.push(base);
    while (this.levels[this.levels.length - 1]!.bins > 256) this.levels.push(this.halved(this.levels[this.levels.length - 1]!));
  }

  private halved(finer: Level): Level {
    const bins = finer.bins / 2;
    const level: Level = {bins, worst: new Uint8Array(this.rows * bins)};
    for (let i = 0; i < level.worst.length; ++i) {
      const a = finer.worst[2 * i]!, b = finer.worst[2 * i + 1]!;
      level.worst[i] = a > b ? a : b;
    }
    return level;
  }

  // Fills one row of pixels each; `colours` by what is shown.
  paint(pixels: Uint32Array, width: number, from: number, to: number, colours: Uint32Array): void {
    const wanted = (this.last + 1) / ((to - from) / width);
    const level = this.levels.find((l, i) => l.bins <= wanted * 2 || i === this.levels.length - 1)!;
    const scale = level.bins / (this.last + 1);
    for (let x = 0; x < width; ++x) {
      const first = Math.min(level.bins - 1, Math.floor((from + (to - from) * x / width) * scale));
      const last = Math.min(level.bins - 1, Math.max(first, Math.ceil((from + (to - from) * (x + 1) / width) * scale) - 1));
      for (let row = 0; row < this.rows; ++row) {
        let worst = 0;
        for (let i = row * level.bins + first; i <= row * level.bins + last; ++i) if (level.worst[i]! > worst) worst = level.worst[i]!;
        pixels[row * width + x] = colours[worst]!;
      }
    }
  }
}

export function rowOf(d: Data, rows: number, o: number): number {
  return rows === d.header.lanes ? d.lane[o]! : Math.floor(d.lane[o]! * rows / d.header.lanes);
}
