// How amounts and operations are spelled: the same words as the static half (reports/words.cpp).
import {CONTEXT, Data, FAIL, INFO, INTEGER, LEFT_OUT, NOTHING, OK, OPEN, PAIR, SAME, TEXT, UNPLACEABLE, Values} from './data';

const units: [number, string][] = [[1, 'ns'], [1e3, 'us'], [1e6, 'ms'], [1e9, 's'], [60e9, 'm'], [3600e9, 'h']];

// At most three significant digits, the largest unit that keeps the number >= 1; minutes only from two of them.
export function duration(ns: number): string {
  let unit = 0;
  while (unit + 1 < 4 && Math.abs(ns) >= units[unit + 1]![0] * 0.9995) ++unit;
  const amount = ns / units[unit]![0], size = Math.abs(amount);
  const decimals = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${Number(amount.toFixed(decimals))} ${units[unit]![1]}`;
}

export function grouped(n: number): string { return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f'); }

export function counted(n: number, noun: string): string { return `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`; }

export const glyphs = ['✓', '–', '?', '?'];
export const outcomes = ['ok', 'failed', 'info', 'never ended'];

// A duration, or a number of events where the source has no times.
export function span(d: Data, ticks: number): string {
  return d.header.timed ? duration(ticks * d.header.unit) : counted(Math.round(ticks), 'event');
}

// When a tick was, since the run began; as exact as a stretch of that width needs.
export function moment(d: Data, tick: number, width = 1e6 / d.header.unit): string {
  if (!d.header.timed) return `event ${Math.round(tick)}`;
  const decimals = Math.min(9, Math.max(2, Math.ceil(11.5 - Math.log10(Math.max(1, width * d.header.unit)))));
  return `${((tick * d.header.unit + d.header.origin) / 1e9).toFixed(decimals)} s`;
}

function valueText(d: Data, values: Values, o: number, cas: boolean): string {
  switch (values.tag[o]) {
    case INTEGER: return String(values.a[o]);
    case TEXT: return d.header.values[values.a[o]!] ?? '';
    case PAIR: return cas ? `${values.a[o]}→${values.b![o]}` : `[${values.a[o]} ${values.b![o]}]`;
    case LEFT_OUT: return '… (in the history)';
    default: return 'nil';
  }
}

export function operationText(d: Data, o: number): string {
  const f = d.header.functions[d.f[o]!]!;
  const observes = d.header.observers[d.f[o]!]!;
  const outcome = d.outcome[o]!;
  const takesInput = d.input.tag[o] !== NOTHING;
  let text = f;
  if (takesInput) text += ' ' + valueText(d, d.input, o, f === 'cas');
  const out = d.output.tag[o]!;
  if (outcome === OK && !(takesInput && (out === NOTHING || out === SAME)) && (observes || out !== NOTHING)) {
    text += (takesInput ? ' = ' : ' → ') + valueText(d, d.output, o, false);
  } else if (observes && (outcome === INFO || outcome === OPEN)) {
    text += ' → ?';
  }
  return outcome === FAIL ? text + ' failed' : text;
}

export function keyName(d: Data, o: number): string { return d.header.keys[d.key[o]!] ?? ''; }

export interface Detail { name: string; value: string }

export function details(d: Data, o: number): Detail[] {
  const list: Detail[] = [{name: 'operation', value: operationText(d, o)}];
  const add = (name: string, value: string | undefined) => { if (value) list.push({name, value}); };
  add('key', keyName(d, o));
  add('process', `p${d.process[o]}`);
  add('node', d.node[o] ? d.header.nodes[d.node[o]! - 1] : '');
  add('outcome', `${glyphs[d.outcome[o]!]} ${outcomes[d.outcome[o]!]}`);
  add('error', d.error[o] ? d.header.errors[d.error[o]! - 1] : '');
  add('began', moment(d, d.begin[o]!));
  if (d.outcome[o] !== OPEN) add('took', span(d, d.end[o]! - d.begin[o]!));
  const completion = d.completion[o]! > 0 ? ` to ${d.completion[o]}` : '';
  add('events', `${d.event[o]}${completion}${d.line[o] ? `, line ${d.line[o]}` : ''}`);
  const which = d.anomalyOf.get(o);
  if (which === undefined) return list;
  const anomaly = d.header.anomalies[which]!;
  const place = anomaly.prefix.findIndex(step => step[0] === o);
  if (place >= 0) {
    add('state before', place > 0 ? anomaly.prefix[place - 1]![1] : 'initial');
    add('state after', anomaly.prefix[place]![1]);
    add('role', `step ${place + 1} of the longest legal prefix`);
  } else if (d.mark[o] === UNPLACEABLE) {
    add('state before', anomaly.prefix.length > 0 ? anomaly.prefix[anomaly.prefix.length - 1]![1] : 'initial');
    add('role', 'fits nowhere in a legal order');
  } else {
    add('role', d.mark[o] === CONTEXT ? 'context of the counterexample' : 'part of the counterexample');
  }
  return list;
}
