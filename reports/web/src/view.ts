// What is shown: a window of the shared time axis, the key chosen, what is hovered and pinned. Everything on the page follows it.
import {Data, indexLanes, LaneIndex} from './data';

export type Change = 'window' | 'key' | 'pins' | 'hover' | 'theme';

const most_pins = 6;

export class View {
  from: number;
  to: number;
  verdict = -1;                 // index into header.verdicts; -1: all keys
  keys: Uint8Array | null = null;  // per key id, whether it is chosen
  chosen: LaneIndex;            // the operations of those keys
  pins: number[] = [];
  hover = -1;                   // operation
  hoverAt: number | null = null;   // tick
  private floating = false;     // the last pin was walked to, not set
  private listeners: ((changes: Set<Change>) => void)[] = [];
  private pending: Set<Change> | null = null;

  constructor(readonly data: Data) {
    this.from = 0;
    this.to = this.end;
    this.chosen = data.byLane;
  }

  get end(): number { return Math.max(1, this.data.header.last); }
  get smallest(): number { return this.data.header.timed ? Math.min(this.end, Math.max(2, 1000 / this.data.header.unit)) : Math.min(this.end, 4); }

  listen(listener: (changes: Set<Change>) => void): void { this.listeners.push(listener); }

  // Once per frame, whatever changed.
  private tell(change: Change): void {
    if (this.pending) { this.pending.add(change); return; }
    this.pending = new Set([change]);
    requestAnimationFrame(() => {
      const changes = this.pending!;
      this.pending = null;
      for (const listener of this.listeners) listener(changes);
    });
  }

  show(from: number, to: number): void {
    const width = Math.min(this.end, Math.max(this.smallest, to - from));
    const start = Math.min(Math.max(0, (from + to - width) / 2), this.end - width);
    if (start === this.from && start + width === this.to) return;
    this.from = start;
    this.to = start + width;
    this.tell('window');
  }
  showAll(): void { this.show(0, this.end); }
  zoom(factor: number, at = (this.from + this.to) / 2): void {
    const width = (this.to - this.from) * factor;
    const share = (at - this.from) / (this.to - this.from);
    this.show(at - share * width, at + (1 - share) * width);
  }
  pan(share: number): void {
    const width = this.to - this.from;
    const start = Math.min(Math.max(0, this.from + share * width), this.end - width);
    this.show(start, start + width);
  }
  // Brings an operation into sight without changing the scale more than needed.
  reveal(o: number): void {
    const begin = this.data.begin[o]!, end = this.data.end[o]!;
    if (begin >= this.from && begin <= this.to) return;
    const width = Math.max(this.to - this.from, Math.min(this.end, (end - begin) * 3));
    this.show(begin - width / 2, begin + width / 2);
  }
  // The operations of an anomaly, with some air.
  showOperations(operations: number[]): void {
    const begins = operations.map(o => this.data.begin[o]!), ends = operations.map(o => this.data.outcome[o]! < 2 ? this.data.end[o]! : this.data.begin[o]!);
    if (begins.length === 0) return;
    const from = Math.min(...begins), to = Math.max(...ends, from + this.smallest);
    this.show(from - (to - from) * 0.15, to + (to - from) * 0.15);
  }

  choose(verdict: number): void {
    const chosen = this.data.header.verdicts[verdict];
    this.verdict = chosen ? verdict : -1;
    this.keys = null;
    if (chosen && this.data.header.verdicts.length > 1) {
      this.keys = new Uint8Array(this.data.header.keys.length);
      for (const id of chosen[6]) this.keys[id] = 1;
    }
    this.chosen = this.keys === null ? this.data.byLane : indexLanes(this.data, this.keys);
    this.tell('key');
  }
  isChosen(o: number): boolean { return this.keys === null || this.keys[this.data.key[o]!] === 1; }

  pin(o: number): void {
    if (o < 0 || o >= this.data.count) return;
    this.floating = false;
    this.pins = this.pins.includes(o) ? this.pins.filter(p => p !== o) : [...this.pins, o].slice(-most_pins);
    this.tell('pins');
  }
  // Walks: the last pin moves along until it is kept.
  select(o: number): void {
    if (o < 0 || o >= this.data.count) return;
    const kept = this.floating ? this.pins.slice(0, -1) : this.pins;
    this.pins = [...kept.filter(p => p !== o), o].slice(-most_pins);
    this.floating = true;
    this.reveal(o);
    this.tell('pins');
  }
  keep(): void { this.floating = false; }
  unpinAll(): void {
    this.pins = [];
    this.floating = false;
    this.tell('pins');
  }
  point(o: number, at: number | null): void {
    if (o === this.hover && at === this.hoverAt) return;
    this.hover = o;
    this.hoverAt = at;
    this.tell('hover');
  }
  themeChanged(): void { this.tell('theme'); }
}
