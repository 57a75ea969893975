// The page of `faultline serve`: runs as a table, how they went one after another, two of them beside each other, and those that go on.
import htm from 'htm';
import {h, render, VNode} from 'preact';
import {counted, duration, grouped} from './words';

const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: unknown[]) => VNode;

interface Fault { kind: string; count: number | null; bit: boolean | null }
interface Check { keys: number; decided: number; invalid: number; states: number }
interface Progress {
  path: string; phase: string; time: number; limit: number; operations: number; ok: number; fail: number; info: number; rate: number;
  faults: string[]; online: number | null; check: Check | null; silent: boolean; target: string; workload: string; seed: string;
}
interface Run {
  path: string; utc: string | null; verdict: string | null; ending: string | null; headline: string | null; reason: string | null;
  target: string | null; workload: string | null; model: string | null; nemesis: string[] | null; faults: Fault[]; seed: string | null;
  operations: number | null; seconds: number | null; files: string[]; progress: Progress | null;
}
interface List { schema: number; dir: string; left_out: number; runs: Run[] }
type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
interface Whole { run: Run; verdict: { [name: string]: Json }; report: { [name: string]: Json } }

const most_rows = 500;
const most_trend = 120;

type Tone = 'good' | 'bad' | 'unknown' | 'broken' | 'going';
const glyphs: Record<Tone, string> = {good: '✓', bad: '✗', unknown: '?', broken: '!', going: '…'};
const toneNames: Record<Tone, string> = {good: 'valid', bad: 'violation', unknown: 'unknown', broken: 'harness failure', going: 'going on'};

function tone(run: Run): Tone {
  if (run.progress !== null && !run.progress.silent) return 'going';
  if (run.verdict === 'invalid') return 'bad';
  if (run.ending === 'harness-failure') return 'broken';
  return run.verdict === 'valid' ? 'good' : 'unknown';
}

function words(run: Run): string {
  if (run.progress !== null && !run.progress.silent) return `… ${run.progress.phase}`;
  if (run.headline !== null) return run.headline;
  return run.progress !== null ? '? ended without a verdict' : '? not judged';
}

function faultsOf(run: Run): string[] { return run.nemesis ?? run.faults.map(f => f.kind); }

// Where a file of a run is; every part of the path is one that the site gave us.
function place(run: string, file: string): string {
  return '/runs/' + [...run.split('/').filter(part => part !== ''), file].map(encodeURIComponent).join('/');
}

const columns: { name: string; title: string; of: (run: Run) => string | number; numeric?: boolean }[] = [
  {name: 'verdict', title: 'verdict', of: run => ['bad', 'broken', 'going', 'unknown', 'good'].indexOf(tone(run))},
  {name: 'run', title: 'run', of: run => run.path},
  {name: 'target', title: 'target', of: run => run.target ?? ''},
  {name: 'workload', title: 'workload', of: run => run.workload ?? ''},
  {name: 'faults', title: 'faults', of: run => faultsOf(run).join(', ')},
  {name: 'operations', title: 'operations', of: run => run.operations ?? -1, numeric: true},
  {name: 'duration', title: 'duration', of: run => run.seconds ?? -1, numeric: true},
  {name: 'seed', title: 'seed', of: run => run.seed ?? '', numeric: true},
  {name: 'started', title: 'started, UTC', of: run => run.utc ?? run.path.split('/').pop() ?? ''},
];

class State {
  list: List | null = null;
  problem = '';
  live: Progress[] = [];
  query = ''; tone = ''; workload = ''; target = ''; fault = '';
  sort = 'started'; down = true;
  chosen: string[] = [];
  compared: [Whole, Whole] | null = null;

  read(): void {
    const hash = new URLSearchParams(location.hash.slice(1));
    this.query = hash.get('q') ?? '';
    this.tone = hash.get('verdict') ?? '';
    this.workload = hash.get('workload') ?? '';
    this.target = hash.get('target') ?? '';
    this.fault = hash.get('fault') ?? '';
    this.sort = hash.get('sort') ?? 'started';
    this.down = hash.get('up') === null;
    this.chosen = hash.getAll('compare').slice(0, 2);
  }

  write(): void {
    const hash = new URLSearchParams();
    const set = (name: string, value: string, usual = '') => { if (value !== usual) hash.set(name, value); };
    set('q', this.query);
    set('verdict', this.tone);
    set('workload', this.workload);
    set('target', this.target);
    set('fault', this.fault);
    set('sort', this.sort, 'started');
    if (!this.down) hash.set('up', '1');
    for (const path of this.chosen) hash.append('compare', path);
    const text = hash.toString();
    if (text !== location.hash.slice(1)) history.replaceState(null, '', text ? `#${text}` : location.pathname);
  }

  shown(): Run[] {
    const wanted = this.query.toLowerCase().split(/\s+/).filter(word => word !== '');
    const runs = (this.list?.runs ?? []).filter(run => {
      if (this.tone && tone(run) !== this.tone) return false;
      if (this.workload && run.workload !== this.workload) return false;
      if (this.target && run.target !== this.target) return false;
      if (this.fault && !faultsOf(run).includes(this.fault)) return false;
      const text = [run.path, words(run), run.reason, run.target, run.workload, run.seed, run.utc, ...faultsOf(run)].join(' ').toLowerCase();
      return wanted.every(word => text.includes(word));
    });
    const column = columns.find(c => c.name === this.sort) ?? columns[columns.length - 1]!;
    const sign = this.down ? -1 : 1;
    return runs.sort((a, b) => {
      const x = column.of(a), y = column.of(b);
      const order = typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), 'en', {numeric: true});
      return sign * order || b.path.localeCompare(a.path);
    });
  }
}

const state = new State();

function changed(): void {
  state.write();
  draw();
}

function options(of: (run: Run) => string[]): string[] {
  return [...new Set((state.list?.runs ?? []).flatMap(of).filter(text => text !== ''))].sort();
}

function choice(label: string, value: string, texts: [string, string][], set: (value: string) => void): VNode {
  return html`<label><span>${label}</span><select value=${value} onChange=${(e: Event) => { set((e.target as HTMLSelectElement).value); changed(); }}>
    <option value="" selected=${value === ''}>all</option>${texts.map(([text, name]) => html`<option key=${text} value=${text} selected=${value === text}>${name}</option>`)}</select></label>`;
}

function controls(): VNode {
  const plain = (texts: string[]): [string, string][] => texts.map(text => [text, text]);
  const tones = (['bad', 'good', 'unknown', 'broken', 'going'] as Tone[]).map(t => [t, `${glyphs[t]} ${toneNames[t]}`] as [string, string]);
  return html`<div class="filters">
    <label class="query"><span>search</span><input id="query" type="search" value=${state.query}
      onInput=${(e: Event) => { state.query = (e.target as HTMLInputElement).value; changed(); }} /></label>
    ${choice('verdict', state.tone, tones, value => { state.tone = value; })}
    ${choice('target', state.target, plain(options(run => [run.target ?? ''])), value => { state.target = value; })}
    ${choice('workload', state.workload, plain(options(run => [run.workload ?? ''])), value => { state.workload = value; })}
    ${choice('fault', state.fault, plain(options(faultsOf)), value => { state.fault = value; })}
  </div>`;
}

// One mark per run, the oldest at the left: when it began to fail.
function trend(runs: Run[]): VNode | null {
  const byTime = [...runs].sort((a, b) => String(columns[8]!.of(a)).localeCompare(String(columns[8]!.of(b)))).slice(-most_trend);
  if (byTime.length < 2) return null;
  const counts = new Map<Tone, number>();
  for (const run of byTime) counts.set(tone(run), (counts.get(tone(run)) ?? 0) + 1);
  const said = [...counts].map(([t, n]) => `${grouped(n)} ${toneNames[t]}${t === 'bad' && n !== 1 ? 's' : ''}`).join(', ');
  return html`<section><h2>Trend <span class="more">· the last ${grouped(byTime.length)} of these runs, oldest first: ${said}</span></h2>
    <ol class="trend">${byTime.map(run => html`<li key=${run.path}>${run.files.includes('report.html')
      ? html`<a class=${'mark ' + tone(run)} href=${place(run.path, 'report.html')} title=${`${words(run)} · ${run.path}`} aria-label=${`${words(run)}, ${run.path}`}>${glyphs[tone(run)]}</a>`
      : html`<span class=${'mark ' + tone(run)} title=${`${words(run)} · ${run.path}`}>${glyphs[tone(run)]}</span>`}</li>`)}</ol></section>`;
}

function going(): VNode | null {
  const live = state.live.filter(p => !p.silent);
  if (live.length === 0) return null;
  return html`<section aria-labelledby="going"><h2 id="going">Going on</h2>${live.map(p => html`<div class="going" key=${p.path}>
    <p><b><bdi>${p.path}</bdi></b> · ${p.phase} · seed ${p.seed}</p>
    <progress max=${Math.max(1, p.limit)} value=${Math.min(p.time, p.limit)} aria-label=${`${p.path}: time`}></progress>
    <p class="soft">${duration(p.time)} of ${duration(p.limit)} · ${grouped(p.operations)} operations · ${grouped(p.rate)}/s
      · ${grouped(p.ok)} ok, ${grouped(p.fail)} failed, ${grouped(p.info)} info
      · ${p.faults.length > 0 ? html`under <b><bdi>${p.faults.join(', ')}</bdi></b>` : 'no fault is on'}
      ${p.online === null ? '' : p.online === 0 ? ' · online check: nothing wrong so far' : html` · <b class="word invalid">✗ online check: ${grouped(p.online)} keys are wrong</b>`}
      ${p.check ? ` · checked ${grouped(p.check.decided)} of ${grouped(p.check.keys)} keys, ${grouped(p.check.invalid)} invalid, ${grouped(p.check.states)} states` : ''}</p>
    </div>`)}</section>`;
}

function sortBy(name: string): void {
  state.down = state.sort === name ? !state.down : ['started', 'operations', 'duration'].includes(name);
  state.sort = name;
  changed();
}

function choose(path: string, on: boolean): void {
  state.chosen = on ? [...state.chosen, path].slice(-2) : state.chosen.filter(other => other !== path);
  changed();
  void compare();
}

function row(run: Run): VNode {
  const t = tone(run), page = run.files.includes('report.html');
  const name = html`<bdi>${run.path || '(this folder)'}</bdi>`;
  return html`<tr key=${run.path}>
    <td><input type="checkbox" aria-label=${`compare ${run.path}`} checked=${state.chosen.includes(run.path)}
      onChange=${(e: Event) => choose(run.path, (e.target as HTMLInputElement).checked)} /></td>
    <td class=${'word tone ' + t}>${words(run)}</td>
    <th scope="row">${page ? html`<a href=${place(run.path, 'report.html')}>${name}</a>` : name}
      ${t !== 'good' && run.reason ? html`<p class="soft"><bdi>${run.reason}</bdi></p>` : ''}</th>
    <td><bdi>${run.target ?? ''}</bdi></td><td><bdi>${run.workload ?? ''}</bdi></td>
    <td>${faultsOf(run).length === 0 ? '' : html`<bdi class="faults">${faultsOf(run).join(', ')}</bdi>`}</td>
    <td class="num">${run.operations === null ? '' : grouped(run.operations)}</td>
    <td class="num">${run.seconds === null ? '' : duration(run.seconds * 1e9)}</td>
    <td class="num">${run.seed ?? ''}</td><td class="when">${(run.utc ?? '').replace(' UTC', '')}</td>
    <td class="files"><details><summary>${counted(run.files.length, 'file')}</summary>${run.files.filter(file => file !== 'report.html').map((file, i) => html`${i > 0 ? ' ' : ''}<a key=${file} href=${place(run.path, file)}>${file}</a>`)}
      ${run.path === '' ? '' : html` <a href=${'/zip/' + run.path.split('/').map(encodeURIComponent).join('/') + '.zip'}>zip</a>`}</details></td></tr>`;
}

function table(runs: Run[]): VNode {
  const arrow = (name: string) => state.sort === name ? (state.down ? ' ↓' : ' ↑') : '';
  const left = runs.length - Math.min(runs.length, most_rows);
  return html`<section aria-labelledby="runs"><h2 id="runs">Runs <span class="more">· ${grouped(runs.length)} of ${grouped(state.list?.runs.length ?? 0)}; choose two to compare them</span></h2>
    <div class="table" tabindex="0" role="group" aria-labelledby="runs"><table class="runs"><thead><tr><th scope="col"><span class="visually-hidden">compare</span></th>
      ${columns.map(c => html`<th key=${c.name} scope="col" class=${c.numeric ? 'num' : ''} aria-sort=${state.sort === c.name ? (state.down ? 'descending' : 'ascending') : 'none'}>
        <button type="button" onClick=${() => sortBy(c.name)}>${c.title}${arrow(c.name)}</button></th>`)}
      <th scope="col">files</th></tr></thead>
      <tbody>${runs.slice(0, most_rows).map(row)}</tbody></table></div>
    ${left > 0 ? html`<p class="soft">and ${grouped(left)} more: search or filter to see them</p>` : ''}
    ${runs.length === 0 ? html`<p>No run ${state.list?.runs.length === 0 ? 'is here yet: faultline run writes one' : 'is like that'}.</p>` : ''}</section>`;
}

// --- two runs beside each other

function text(value: Json | undefined): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function pairs(value: Json | undefined, label: string, shown: string): [string, string][] {
  if (!Array.isArray(value)) return [];
  return value.map(entry => entry as { [name: string]: Json }).map(entry => [text(entry[label]), text(entry[shown])]);
}

function factsOf(whole: Whole): Map<string, string> {
  const {run, verdict, report} = whole, facts = new Map<string, string>();
  const set = (name: string, value: string) => { if (value !== '') facts.set(name, value); };
  set('verdict', words(run));
  set('sentence', text(report['sentence']) || run.reason || '');
  for (const [label, value] of pairs(report['facts'], 'label', 'value')) set(label, value);
  for (const [label, value] of pairs(report['configuration'], 'label', 'value')) set(label, value);
  for (const [kind, effect] of pairs(verdict['faults'], 'kind', 'effect')) set(`fault ${kind}`, effect);
  const operations = report['operations'];
  for (const entry of Array.isArray(operations) ? operations as { [name: string]: Json }[] : []) {
    const latency = entry['latency_ns'] as { [name: string]: number } | null;
    set(`${text(entry['f'])}: ok / failed / info`, `${text(entry['ok'])} / ${text(entry['fail'])} / ${text(entry['info'])}`);
    if (latency) set(`${text(entry['f'])}: latency p50 / p99 / max`, [latency['p50']!, latency['p99']!, latency['max']!].map(duration).join(' / '));
  }
  return facts;
}

function comparison(): VNode | null {
  if (state.compared === null) return state.chosen.length === 1 ? html`<p class="soft">One run is chosen; choose another to compare them.</p>` : null;
  const [a, b] = state.compared.map(factsOf) as [Map<string, string>, Map<string, string>];
  const names = [...new Set([...a.keys(), ...b.keys()])];
  const head = (whole: Whole) => html`<th scope="col"><a href=${place(whole.run.path, 'report.html')}><bdi>${whole.run.path}</bdi></a></th>`;
  return html`<section aria-labelledby="compared"><h2 id="compared">Two runs <span class="more">· what differs is highlighted</span></h2>
    <div class="table" tabindex="0" role="group" aria-labelledby="compared"><table class="compared"><thead><tr><td></td>${head(state.compared[0])}${head(state.compared[1])}</tr></thead>
    <tbody>${names.map(name => html`<tr key=${name} class=${a.get(name) === b.get(name) ? '' : 'differs'}><th scope="row">${name}</th>
      <td><bdi>${a.get(name) ?? '–'}</bdi></td><td><bdi>${b.get(name) ?? '–'}</bdi></td></tr>`)}</tbody></table></div></section>`;
}

async function file(run: Run, name: string): Promise<{ [name: string]: Json }> {
  if (!run.files.includes(name)) return {};
  const answer = await fetch(place(run.path, name));
  return answer.ok ? await answer.json() as { [name: string]: Json } : {};
}

async function compare(): Promise<void> {
  const chosen = state.chosen.map(path => state.list?.runs.find(run => run.path === path)).filter(run => run !== undefined);
  const whole = async (run: Run): Promise<Whole> => ({run, verdict: await file(run, 'verdict.json'), report: await file(run, 'report.json')});
  state.compared = chosen.length === 2 ? [await whole(chosen[0]!), await whole(chosen[1]!)] : null;
  draw();
}

// --- all of it

function draw(): void {
  const root = document.getElementById('root');
  if (!root) return;
  const runs = state.shown();
  const dir = document.getElementById('dir');
  if (dir) dir.textContent = state.list ? state.list.dir : '';
  render(html`${state.problem ? html`<p class="problem" role="alert">${state.problem}</p>` : ''}
    ${going()}${controls()}${trend(runs)}${comparison()}${table(runs)}
    ${state.list && state.list.left_out > 0 ? html`<p class="soft">${grouped(state.list.left_out)} older runs are left out.</p>` : ''}`, root);
  document.documentElement.dataset['drawn'] = String(runs.length);
}

async function load(): Promise<void> {
  try {
    const answer = await fetch('/api/runs');
    state.list = await answer.json() as List;
    state.live = state.list.runs.filter(run => run.progress !== null).map(run => ({...run.progress!, path: run.path}));
    state.problem = '';
  } catch {
    state.problem = 'The site does not answer: is faultline serve still going on?';
  }
  draw();
}

function listen(): void {
  const events = new EventSource('/api/events');
  events.addEventListener('progress', event => {
    state.live = JSON.parse((event as MessageEvent<string>).data) as Progress[];
    for (const run of state.list?.runs ?? []) run.progress = state.live.find(p => p.path === run.path) ?? null;
    draw();
  });
  events.addEventListener('runs', () => void load());
  events.addEventListener('error', () => { state.problem = 'The connection is lost; what is shown may be old.'; draw(); });
  events.addEventListener('open', () => { if (state.problem) void load(); });
}

document.getElementById('root')?.replaceChildren();
state.read();
addEventListener('hashchange', () => { state.read(); draw(); void compare(); });
void load().then(() => compare()).then(listen);
