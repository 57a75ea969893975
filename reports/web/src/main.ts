// The shell of a report: takes the data a page carries and draws the whole history below the static half, which it never replaces.
import {render} from 'preact';
import {addCopyButtons} from './copy';
import {Data, decode, inflate} from './data';
import {Lanes} from './lanes';
import {helpRows, html, KeyPanel, LogPanel, PinPanel, WindowTable} from './panels';
import {Plots} from './plots';
import {enhance, main as mainStepper, Stepper} from './prefix';
import {OffsetStrip, TermStrip} from './strips';
import {onThemeChange, readTheme} from './theme';
import {Change, View} from './view';
import {counted} from './words';

const painted = 'faultline-painted';

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, parent: HTMLElement): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  e.className = className;
  parent.append(e);
  return e;
}

interface Place {
  canvas: HTMLCanvasElement; overview: HTMLCanvasElement; focus: HTMLElement; tip: HTMLElement; said: HTMLElement;
  keys: HTMLElement; pins: HTMLElement; table: HTMLDetailsElement; latency: HTMLElement | null; throughput: HTMLElement | null;
  terms: HTMLCanvasElement | null; offsets: HTMLCanvasElement | null; logs: HTMLElement | null; help: HTMLDialogElement; tools: HTMLElement;
  charts: HTMLElement;
}

function titled(name: string, parent: HTMLElement): HTMLElement {
  const box = element('div', 'chart', parent);
  element('h3', '', box).textContent = name;
  return box;
}

function build(section: HTMLElement, d: Data): Place {
  const tools = element('div', 'tools', section);
  const grid = element('div', 'history-grid', section);
  const charts = element('div', 'charts', grid), side = element('aside', 'side', grid);
  side.setAttribute('aria-label', 'Keys and pinned operations');
  const overview = element('canvas', 'overview', charts);
  overview.setAttribute('role', 'img');
  overview.setAttribute('aria-label', 'The whole history, the shown window framed');
  const focus = element('div', 'lanes', charts);
  focus.tabIndex = 0;
  focus.setAttribute('role', 'application');
  focus.setAttribute('aria-roledescription', 'timeline');
  focus.setAttribute('aria-label', 'History in lanes. Arrow keys move, plus and minus zoom, j and k choose an operation, question mark shows all keys.');
  const canvas = element('canvas', 'detail', focus), tip = element('div', 'tip', focus);
  tip.hidden = true;
  const legend = element('ul', 'legend', charts);
  for (const [sign, meaning] of [['✓', 'ok'], ['–', 'failed: hatched'], ['?', 'info: dashed'], ['▼', 'part of a contradiction']]) {
    const item = element('li', `sign-${meaning!.slice(0, 2)}`, legend);
    element('b', '', item).textContent = sign!;
    item.append(` ${meaning}`);
  }
  const said = element('p', 'visually-hidden', charts);
  said.setAttribute('role', 'status');
  const table = element('details', 'mirror-details', charts);
  element('summary', '', table).textContent = 'Operations in this window, as a table';
  element('div', 'mirror-box', table);
  const strip = (name: string, wanted: boolean): HTMLCanvasElement | null => {
    if (!wanted) return null;
    const c = element('canvas', 'strip', titled(name, charts));
    c.setAttribute('role', 'img');
    c.setAttribute('aria-label', name);
    return c;
  };
  const terms = strip('Leader and term, as the nodes answered and logged', d.header.terms.length > 0);
  const offsets = strip('Clock offsets', d.header.offsets.length > 0);
  const latency = d.header.timed ? titled('Latency of what ended ok', charts) : null;
  const throughput = d.header.timed ? titled('Operations begun', charts) : null;
  const logs = d.header.logs.some(log => log.lines.length > 0) ? titled('Logs of the nodes', charts) : null;
  const help = element('dialog', 'help', section);
  const keys = element('div', 'key-panel', side);
  element('h3', '', side).textContent = 'Pinned';
  const pins = element('div', 'pin-panel', side);
  return {canvas, overview, focus, tip, said, keys, pins, table, latency, throughput, terms, offsets,
    logs: logs ? element('div', '', logs) : null, help, tools, charts};
}

class Page {
  private theme = readTheme();
  private readonly view: View;
  private readonly lanes: Lanes;
  private readonly plots: Plots | null;
  private readonly keys: KeyPanel;
  private readonly pins: PinPanel;
  private readonly table: WindowTable;
  private readonly logs: LogPanel | null;
  private readonly terms: TermStrip | null;
  private readonly offsets: OffsetStrip | null;
  private settle = 0;
  stepper: Stepper | null = null;

  constructor(readonly d: Data, readonly place: Place) {
    this.view = new View(d);
    this.lanes = new Lanes(d, this.view, place.canvas, place.overview);
    this.readHash();
    this.resize();
    this.lanes.draw(this.theme);
    this.lanes.drawOverview(this.theme);
    this.plots = place.latency && place.throughput ? new Plots(d, this.view, place.latency, place.throughput, () => this.theme) : null;
    this.plots?.resize(this.lanes.width);
    this.keys = new KeyPanel(d, this.view, place.keys);
    this.pins = new PinPanel(d, this.view, place.pins);
    this.table = new WindowTable(d, this.view, place.table);
    this.logs = place.logs ? new LogPanel(d, this.view, place.logs) : null;
    this.terms = place.terms ? new TermStrip(d, this.lanes, place.terms) : null;
    this.offsets = place.offsets ? new OffsetStrip(d, this.lanes, place.offsets) : null;
    this.keys.draw();
    this.pins.draw();
    this.logs?.draw();
    this.terms?.draw(this.theme);
    this.offsets?.draw(this.theme);
    this.drawTools();
    this.view.listen(changes => this.changed(changes));
    this.listen();
  }

  // Percentiles of a million operations can wait until the lanes are there.
  fillPlots(): void { this.plots?.summarizeNow(); }

  get shownView(): View { return this.view; }

  private resize(): void { this.lanes.resize(Math.max(300, Math.floor(this.place.charts.clientWidth))); }

  private changed(changes: Set<Change>): void {
    if (changes.has('theme')) this.theme = readTheme();
    this.lanes.draw(this.theme);
    if (!(changes.size === 1 && changes.has('hover'))) this.lanes.drawOverview(this.theme);
    if (changes.has('window') || changes.has('theme')) {
      this.terms?.draw(this.theme);
      this.offsets?.draw(this.theme);
    }
    if (changes.has('window') || changes.has('key')) this.plots?.follow();
    else if (changes.has('theme')) this.plots?.redraw();
    if (changes.has('key')) this.keys.draw();
    if (changes.has('pins')) { this.pins.draw(); this.sayPin(); }
    if (changes.has('hover')) {
      this.pins.drawTip(this.place.tip);
      this.placeTip();
      this.plots?.pointAt(this.view.hoverAt);
      this.logs?.follow(this.view.hoverAt);
    }
    if (changes.has('window') || changes.has('key') || changes.has('pins')) {
      clearTimeout(this.settle);
      this.settle = window.setTimeout(() => { this.table.draw(); this.logs?.draw(); this.drawTools(); this.writeHash(); }, 120);
    }
  }

  private sayPin(): void {
    const last = this.place.pins.querySelector('li:last-child dd')?.textContent;
    this.place.said.textContent = this.view.pins.length > 0 ? `${counted(this.view.pins.length, 'operation')} pinned; ${last ?? ''}` : 'nothing pinned';
  }

  private placeTip(): void {
    const tip = this.place.tip;
    if (tip.hidden || this.view.hoverAt === null) return;
    const x = this.lanes.x(this.view.hoverAt), left = x > this.lanes.width - 320 ? x - 300 : x + 16;
    tip.style.transform = `translate(${Math.round(Math.max(0, left))}px, ${Math.round(this.tipY)}px)`;
  }
  private tipY = 0;

  drawTools(): void {
    const h = this.d.header;
    const button = (label: string, title: string, act: () => void, off = false) =>
      html`<button type="button" title=${title} aria-label=${title} disabled=${off} onClick=${act}>${label}</button>`;
    render(html`
      ${button('+', 'zoom in (+)', () => this.view.zoom(0.5))}${button('−', 'zoom out (-)', () => this.view.zoom(2))}
      ${button('all', 'show all (0)', () => this.view.showAll())}
      ${h.anomalies.length > 0 && button('✗ contradiction', 'show the contradiction', () => this.showAnomaly())}
      ${h.faults.length > 0 && html`${button('[', 'previous fault ([)', () => this.fault(-1))}${button(']', 'next fault (])', () => this.fault(1))}`}
      ${button('?', 'keys of the keyboard (?)', () => this.help())}
      <span class="soft">${this.lanes.windowText()} · ${counted(this.lanes.inSight(), 'operation')}${h.stride > 1
        ? ` · of ${counted(h.total, 'operation')} the page carries all of the failed keys and around contradictions and faults, of the rest every ${h.stride}th` : ''}</span>`,
      this.place.tools);
  }

  showAnomaly(): void {
    const chosen = this.view.verdict >= 0 ? this.d.header.verdicts[this.view.verdict]![0] : null;
    const anomaly = this.d.header.anomalies.find(a => a.key === chosen) ?? this.d.header.anomalies[0];
    if (anomaly) this.view.showOperations(anomaly.core);
  }

  fault(by: number): void {
    const middle = (this.view.from + this.view.to) / 2, faults = this.d.header.faults, slack = (this.view.to - this.view.from) * 0.01;
    const middles = faults.map(f => (f.from + (f.to ?? this.view.end)) / 2);
    const next = by > 0 ? middles.findIndex(m => m > middle + slack) : middles.map(m => m < middle - slack).lastIndexOf(true);
    const fault = faults[next];
    if (!fault) return;
    const to = fault.to ?? this.view.end, air = Math.max(this.view.smallest, (to - fault.from) * 0.25);
    this.view.show(fault.from - air, to + air);
    this.place.said.textContent = fault.label;
  }

  help(): void {
    const dialog = this.place.help;
    render(html`<h2>Keys</h2><dl>${helpRows.map(([key, meaning]) => html`<div key=${key}><dt>${key}</dt><dd>${meaning}</dd></div>`)}</dl>
      <p class="soft">Letters act while the timeline, the history or a table has the focus.</p>
      <button type="button" onClick=${() => dialog.close()}>close</button>`, dialog);
    if (!dialog.open) dialog.showModal();
  }

  // The next operation of the chosen key after the last pinned one, else in the window.
  choose(by: number): void {
    const pin = this.view.pins[this.view.pins.length - 1];
    let o = pin ?? (by > 0 ? -1 : this.d.count);
    if (pin === undefined) {
      for (o = 0; o < this.d.count && this.d.begin[o]! < this.view.from; ++o);
      o -= 1;
    }
    for (o += by; o >= 0 && o < this.d.count && !this.view.isChosen(o); o += by);
    if (o >= 0 && o < this.d.count) this.view.select(o);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act: Record<string, () => void> = {
      ArrowLeft: () => this.view.pan(event.shiftKey ? -0.5 : -0.1), ArrowRight: () => this.view.pan(event.shiftKey ? 0.5 : 0.1),
      ArrowUp: () => this.view.zoom(0.5), ArrowDown: () => this.view.zoom(2),
      Home: () => this.view.pan(-1e9), End: () => this.view.pan(1e9),
      '+': () => this.view.zoom(0.5), '=': () => this.view.zoom(0.5), '-': () => this.view.zoom(2), '0': () => this.view.showAll(),
      '[': () => this.fault(-1), ']': () => this.fault(1), j: () => this.choose(1), k: () => this.choose(-1),
      Enter: () => { if (this.view.hover >= 0) this.view.pin(this.view.hover); else this.view.keep(); }, '/': () => document.getElementById('key-search')?.focus(), '?': () => this.help(),
      Escape: () => { this.view.unpinAll(); this.view.choose(-1); },
    };
    const found = act[event.key];
    if (!found) return;
    event.preventDefault();
    found();
  }

  private listen(): void {
    const {focus, canvas, overview} = this.place;
    focus.addEventListener('keydown', event => this.key(event));
    this.place.table.addEventListener('keydown', event => { if (/^[jk/?]$/.test(event.key)) this.key(event); });
    const spot = (event: MouseEvent, on: HTMLElement) => {
      const box = on.getBoundingClientRect();
      return {x: event.clientX - box.left, y: event.clientY - box.top};
    };
    let dragging: { x: number; from: number; to: number; moved: boolean } | null = null;
    canvas.addEventListener('pointerdown', event => {
      dragging = {x: spot(event, canvas).x, from: this.view.from, to: this.view.to, moved: false};
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', event => {
      const {x, y} = spot(event, canvas);
      if (dragging) {
        const by = (dragging.x - x) / this.lanes.inner * (dragging.to - dragging.from);
        dragging.moved ||= Math.abs(dragging.x - x) > 3;
        const width = dragging.to - dragging.from, from = Math.min(Math.max(0, dragging.from + by), this.view.end - width);
        if (dragging.moved) return this.view.show(from, from + width);
      }
      this.tipY = y + 18;
      this.view.point(this.lanes.at(x, y), this.lanes.tick(x));
    });
    canvas.addEventListener('pointerup', event => {
      const {x, y} = spot(event, canvas);
      if (dragging && !dragging.moved) this.view.pin(this.lanes.at(x, y));
      dragging = null;
    });
    canvas.addEventListener('pointerleave', () => this.view.point(-1, null));
    canvas.addEventListener('wheel', event => {
      if (!event.ctrlKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
      event.preventDefault();
      if (event.ctrlKey) this.view.zoom(1.0015 ** event.deltaY, this.lanes.tick(spot(event, canvas).x));
      else this.view.pan(event.deltaX / this.lanes.inner);
    }, {passive: false});
    canvas.addEventListener('dblclick', event => this.view.zoom(0.25, this.lanes.tick(spot(event, canvas).x)));
    this.brush(overview, spot);
    new ResizeObserver(() => { this.resize(); this.plots?.resize(this.lanes.width); this.view.themeChanged(); }).observe(this.place.charts);
    onThemeChange(() => this.view.themeChanged());
    addEventListener('hashchange', () => this.readHash());
  }

  private brush(overview: HTMLCanvasElement, spot: (event: MouseEvent, on: HTMLElement) => { x: number }): void {
    let start: number | null = null;
    overview.addEventListener('pointerdown', event => {
      start = this.lanes.overviewTick(spot(event, overview).x);
      overview.setPointerCapture(event.pointerId);
    });
    overview.addEventListener('pointermove', event => {
      if (start === null) return;
      const at = this.lanes.overviewTick(spot(event, overview).x);
      if (Math.abs(at - start) > this.view.end * 0.003) this.view.show(Math.min(start, at), Math.max(start, at));
    });
    overview.addEventListener('pointerup', event => {
      const at = this.lanes.overviewTick(spot(event, overview).x), width = this.view.to - this.view.from;
      if (start !== null && Math.abs(at - start) <= this.view.end * 0.003) this.view.show(at - width / 2, at + width / 2);
      start = null;
    });
  }

  private readHash(): void {
    const hash = new URLSearchParams(location.hash.slice(1)), number = (name: string) => hash.has(name) ? Number(hash.get(name)) : NaN;
    const key = hash.get('key');
    if (key !== null) this.view.choose(this.d.header.verdicts.findIndex(verdict => verdict[0] === key));
    const from = number('from'), to = number('to');
    if (from >= 0 && to > from) this.view.show(from, to);
    const pinned = (hash.get('pin') ?? '').split(',').filter(text => /^\d+$/.test(text)).map(Number);
    for (const o of pinned.slice(0, 6)) if (!this.view.pins.includes(o)) this.view.pin(o);
    if (number('step') >= 0) this.stepper?.go(number('step'));
  }

  writeHash(): void {
    const hash = new URLSearchParams();
    if (this.view.verdict >= 0) hash.set('key', this.d.header.verdicts[this.view.verdict]![0]);
    if (this.view.from > 0 || this.view.to < this.view.end) {
      hash.set('from', String(Math.round(this.view.from)));
      hash.set('to', String(Math.round(this.view.to)));
    }
    if (this.view.pins.length > 0) hash.set('pin', this.view.pins.join(','));
    if (this.stepper && this.stepper.step !== this.stepper.last) hash.set('step', String(this.stepper.step));
    const text = hash.toString();
    if (text !== location.hash.slice(1)) history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
  }

  followSteps(stepper: Stepper | null): void {
    this.stepper = stepper;
    this.readHash();
  }
}

function enhanceEvidence(page: Page | null): void {
  const whole = page !== null && page.d.header.stride === 1;
  const link = whole ? (o: number) => page.shownView.select(o) : null;
  [...document.querySelectorAll<HTMLElement>('.evidence')].forEach((evidence, i) => {
    enhance(evidence, String(i), () => page?.writeHash(), link);
  });
  page?.followSteps(mainStepper());
}

// The first frame with the history in it, for those who measure.
function markPainted(then = () => {}): void {
  requestAnimationFrame(() => setTimeout(() => {
    performance.mark(painted);
    document.documentElement.dataset['painted'] = String(Math.round(performance.now()));
    then();
  }, 0));
}

async function start(): Promise<void> {
  addCopyButtons();
  const section = document.getElementById('history'), carried = document.getElementById('faultline-data');
  const base64 = carried?.textContent?.trim() ?? '';
  if (!section || base64 === '') {
    enhanceEvidence(null);
    return markPainted();
  }
  try {
    const bytes = await inflate(base64);
    carried!.remove();  // megabytes of text that nobody needs any more
    const d = decode(bytes);
    section.hidden = false;
    const page = new Page(d, build(section, d));
    enhanceEvidence(page);
    return markPainted(() => page.fillPlots());
  } catch (error) {
    section.hidden = false;
    element('p', 'soft', section).textContent = `The history in this page cannot be drawn by this browser: ${error instanceof Error ? error.message : error}`;
    enhanceEvidence(null);
  }
  markPainted();
}

void start();
