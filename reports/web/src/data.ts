// The history a page carries, as columns; written by reports/page_data.cpp, which describes the format.

export const OK = 0, FAIL = 1, INFO = 2, OPEN = 3;

export interface Fault { label: string; kind: string; from: number; to: number | null; nodes: string[] }
export interface Anomaly {
  key: string; name: string; sentence: string;
  culprit?: number; contradicted?: number;
  core: number[]; context: number[]; prefix: [number, string][];
}
export interface Log { node: string; file: string; left_out: number; bytes_left_out: number; lines: [number, string][] }
// label, kind, operations, longest prefix, engine, reason, keys
export type KeyVerdict = [string, 0 | 1 | 2, number, number, string, string, number[]];

export interface Header {
  schema: number; unit: number; timed: boolean; origin: number; last: number;
  total: number; carried: number; stride: number; lanes: number; lines: boolean;
  functions: string[]; observers: boolean[]; keys: string[]; nodes: string[]; errors: string[]; values: string[];
  columns: string[];
  faults: Fault[]; verdicts: KeyVerdict[]; anomalies: Anomaly[];
  terms: [number, number, string][]; node_terms: [string, number, number, string][];
  offsets: [string, number, number][]; logs: Log[];
}

// What a value code says; see page_data.hpp.
export const NOTHING = 0, INTEGER = 1, TEXT = 2, PAIR = 3, SAME = 4, LEFT_OUT = 5;
export interface Values { tag: Uint8Array; a: Float64Array; b: Float64Array | null }

// What an operation is to a contradiction. Of a large core only those that contradict each other stand out.
export const CONTEXT = 1, CORE = 2, SHOWN_CORE = 3, UNPLACEABLE = 4;
const most_shown_core = 24;

// Operations by lane, in order: those of lane l are ops[start[l]] to ops[start[l + 1] - 1].
export interface LaneIndex { start: Uint32Array; ops: Uint32Array }

export interface Data {
  header: Header;
  count: number;
  begin: Float64Array;      // ticks
  end: Float64Array;        // ticks; of one that never ended, where its lane goes on
  outcome: Uint8Array;
  lane: Uint32Array;
  process: Float64Array;
  f: Uint16Array;
  key: Uint32Array;
  node: Uint16Array;        // plus one
  error: Uint32Array;       // plus one
  input: Values;
  output: Values;
  event: Uint32Array;       // of the invocation
  completion: Uint32Array;  // 0 if there is none
  line: Uint32Array;        // of the invocation, 0 if unknown
  mark: Uint8Array;         // see below
  byLane: LaneIndex;        // of all operations
  laneNames: string[];
  anomalyOf: Map<number, number>;
}

class Reader {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}
  number(): number {
    const byte = this.bytes[this.at++]!;
    if (byte < 0x80) return byte;
    const next = this.bytes[this.at++]!;
    return next < 0x80 ? (byte & 0x7f) | next << 7 : this.long((byte & 0x7f) | (next & 0x7f) << 7);
  }
  private long(start: number): number {
    let n = start, scale = 128 * 128, byte: number;
    do {
      byte = this.bytes[this.at++]!;
      n += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    return n;
  }
  difference(): number { return unzigzag(this.number()); }
  part(): Reader {
    const length = this.number();
    const part = new Reader(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return part;
  }
}

// Bits where a number has few, arithmetic where it has more than 31.
function unzigzag(n: number): number { return n < 0x7fffffff ? (n >>> 1) ^ -(n & 1) : n % 2 === 0 ? n / 2 : -(n + 1) / 2; }

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  if (native) return native.call(Uint8Array, text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; ++i) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export async function inflate(base64: string): Promise<Uint8Array> {
  const stream = new Blob([fromBase64(base64)]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function emptyValues(seconds: Reader, count: number): Values {
  return {tag: new Uint8Array(count), a: new Float64Array(count), b: seconds.bytes.length > 0 ? new Float64Array(count) : null};
}

// Input and output of an operation share the last integer of their key.
function decodeValues(columns: Map<string, Reader>, key: Uint32Array, keys: number): [Values, Values] {
  const count = key.length;
  const last = new Float64Array(keys);
  const codes = [columns.get('input')!, columns.get('output')!];
  const seconds = [columns.get('input2')!, columns.get('output2')!];
  const values = [emptyValues(seconds[0]!, count), emptyValues(seconds[1]!, count)];
  for (let o = 0; o < count; ++o) {
    for (let side = 0; side < 2; ++side) {
      const code = codes[side]!.number();
      const tag = code % 4, payload = code < 0x7fffffff ? code >>> 2 : Math.floor(code / 4), v = values[side]!, k = key[o]!;
      if (tag === INTEGER) {
        v.tag[o] = INTEGER;
        v.a[o] = last[k] = last[k]! + unzigzag(payload);
      } else if (tag === PAIR) {
        v.tag[o] = PAIR;
        v.a[o] = last[k]! + unzigzag(payload);
        v.b![o] = last[k] = v.a[o]! + seconds[side]!.difference();
      } else if (tag === TEXT) {
        v.tag[o] = TEXT;
        v.a[o] = payload;
      } else {
        v.tag[o] = payload === 1 ? SAME : payload === 2 ? LEFT_OUT : NOTHING;
      }
    }
  }
  return [values[0]!, values[1]!];
}

function readEvents(header: Header, columns: Map<string, Reader>, d: Data): void {
  const kinds = columns.get('kind')!.bytes;
  const index = columns.get('index')!, time = columns.get('time')!, lanes = columns.get('lane')!, lines = columns.get('line')!;
  const open = new Int32Array(header.lanes).fill(-1);
  let event = -1, now = 0, line = 0, next = 0;
  for (let e = 0; e < kinds.length; ++e) {
    event = event + 1 + index.number();
    now += time.difference();
    const lane = lanes.number();
    if (header.lines) line += 1 + lines.difference();
    const kind = kinds[e]!;
    if (kind === 0) {
      const before = open[lane]!;
      if (before >= 0) d.end[before] = now;
      const o = next++;
      open[lane] = o;
      d.begin[o] = now;
      d.end[o] = header.last;
      d.outcome[o] = OPEN;
      d.lane[o] = lane;
      d.event[o] = event;
      d.line[o] = line;
    } else {
      const o = open[lane]!;
      open[lane] = -1;
      d.end[o] = Math.max(now, d.begin[o]!);
      d.outcome[o] = kind - 1;
      d.completion[o] = event;
    }
  }
}

// Lanes in order of their first process, so that p0 stands on top.
function orderLanes(d: Data, lanes: number): void {
  const first = new Float64Array(lanes).fill(Infinity), many = new Uint8Array(lanes);
  for (let o = 0; o < d.count; ++o) {
    const lane = d.lane[o]!;
    if (first[lane] === Infinity) first[lane] = d.process[o]!;
    else if (first[lane] !== d.process[o]) many[lane] = 1;
  }
  const order = Array.from(first.keys()).sort((a, b) => first[a]! - first[b]! || a - b);
  const rank = new Uint32Array(lanes);
  order.forEach((lane, place) => { rank[lane] = place; });
  d.laneNames = order.map(lane => `p${first[lane]}${many[lane] ? ' …' : ''}`);
  for (let o = 0; o < d.count; ++o) d.lane[o] = rank[d.lane[o]!]!;
  d.byLane = indexLanes(d, null);
}

// All operations, or those of the chosen keys.
export function indexLanes(d: Data, keys: Uint8Array | null): LaneIndex {
  const lanes = d.header.lanes, start = new Uint32Array(lanes + 1);
  for (let o = 0; o < d.count; ++o) if (keys === null || keys[d.key[o]!] === 1) ++start[d.lane[o]! + 1]!;
  for (let lane = 0; lane < lanes; ++lane) start[lane + 1]! += start[lane]!;
  const at = start.slice(), ops = new Uint32Array(start[lanes]!);
  for (let o = 0; o < d.count; ++o) if (keys === null || keys[d.key[o]!] === 1) ops[at[d.lane[o]!]!++] = o;
  return {start, ops};
}

function markAnomalies(d: Data): void {
  const set = (o: number | undefined, mark: number, anomaly: number) => {
    if (o === undefined || o >= d.count) return;
    if (d.mark[o]! < mark) d.mark[o] = mark;
    if (!d.anomalyOf.has(o)) d.anomalyOf.set(o, anomaly);
  };
  d.header.anomalies.forEach((anomaly, i) => {
    set(anomaly.culprit, UNPLACEABLE, i);
    set(anomaly.contradicted, SHOWN_CORE, i);
    anomaly.core.forEach(o => set(o, anomaly.core.length <= most_shown_core ? SHOWN_CORE : CORE, i));
    anomaly.context.forEach(o => set(o, CONTEXT, i));
  });
}

export function decode(bytes: Uint8Array): Data {
  const all = new Reader(bytes);
  const header = JSON.parse(new TextDecoder().decode(all.part().bytes)) as Header;
  if (header.schema !== 1) throw new Error(`the page's data has schema ${header.schema}`);
  const columns = new Map(header.columns.map(name => [name, all.part()]));
  const n = header.carried;
  const empty: Values = {tag: new Uint8Array(0), a: new Float64Array(0), b: null};
  const d: Data = {
    header, count: n,
    begin: new Float64Array(n), end: new Float64Array(n), outcome: new Uint8Array(n), lane: new Uint32Array(n),
    process: new Float64Array(n), f: new Uint16Array(n), key: new Uint32Array(n), node: new Uint16Array(n), error: new Uint32Array(n),
    input: empty, output: empty, event: new Uint32Array(n), completion: new Uint32Array(n), line: new Uint32Array(n),
    mark: new Uint8Array(n), byLane: {start: new Uint32Array(0), ops: new Uint32Array(0)}, laneNames: [], anomalyOf: new Map(),
  };
  readEvents(header, columns, d);
  const process = columns.get('process')!, last = new Float64Array(header.lanes);
  const f = columns.get('f')!, key = columns.get('key')!, node = columns.get('node')!, error = columns.get('error')!;
  for (let o = 0; o < n; ++o) {
    const lane = d.lane[o]!;
    d.process[o] = last[lane] = last[lane]! + process.difference();
    d.f[o] = f.number();
    d.key[o] = key.number();
    d.node[o] = node.number();
    d.error[o] = error.number();
  }
  [d.input, d.output] = decodeValues(columns, d.key, header.keys.length);
  orderLanes(d, header.lanes);
  markAnomalies(d);
  return d;
}

// The first operation of a lane that ends at or after a tick: a place in index.ops. Operations of a lane follow each other.
export function firstInLane(d: Data, index: LaneIndex, lane: number, tick: number): number {
  let low = index.start[lane]!, high = index.start[lane + 1]!;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (d.end[index.ops[middle]!]! < tick) low = middle + 1; else high = middle;
  }
  return low;
}

// The first operation that begins at or after a tick.
export function firstBeginning(d: Data, tick: number): number {
  let low = 0, high = d.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (d.begin[middle]! < tick) low = middle + 1; else high = middle;
  }
  return low;
}
