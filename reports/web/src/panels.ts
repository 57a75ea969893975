// The panels around the canvas: keys, what is pinned, the operations in sight as a table, the nodes' logs.
import htm from 'htm';
import {h, render, VNode} from 'preact';
import {Data, firstBeginning, firstInLane, SHOWN_CORE, UNPLACEABLE} from './data';
import {View} from './view';
import {counted, details, glyphs, grouped, keyName, moment, operationText, outcomes, span} from './words';

export const html = htm.bind(h) as (strings: TemplateStringsArray, ...values: unknown[]) => VNode;

const most_keys = 300;
const most_rows = 100;
const most_log_lines = 200;
const verdictWords = ['✓ valid', '? unknown', '✗ invalid'];
const verdictClasses = ['word valid', 'word undecided', 'word invalid'];

export class KeyPanel {
  private wanted = '';
  constructor(readonly d: Data, readonly view: View, readonly box: HTMLElement) {}

  draw(): void {
    const all = this.d.header.verdicts.map((verdict, i) => ({verdict, i}));
    const found = all.filter(({verdict}) => verdict[0].toLowerCase().includes(this.wanted));
    const choose = (i: number) => () => this.view.choose(this.view.verdict === i ? -1 : i);
    render(html`
      <label class="search"><span>Keys, failed first</span>
        <input type="search" id="key-search" placeholder="search (/)" autocomplete="off" spellcheck="false" value=${this.wanted}
          onInput=${(e: Event) => { this.wanted = (e.target as HTMLInputElement).value.toLowerCase(); this.draw(); }}
          onKeyDown=${(e: KeyboardEvent) => { if (e.key === 'Enter' && found[0]) this.view.choose(found[0].i); }} /></label>
      <ul class="keys" aria-label="Keys">
        ${this.wanted === '' && html`<li key="all"><button type="button" aria-pressed=${String(this.view.verdict < 0)} onClick=${choose(-1)}>
          <span>all keys</span><span>${grouped(this.d.header.total)}</span></button></li>`}
        ${found.slice(0, most_keys).map(({verdict, i}) => html`<li key=${i}>
          <button type="button" aria-pressed=${String(this.view.verdict === i)} onClick=${choose(i)} title=${verdict[5] || verdict[4]}>
            <bdi>${verdict[0]}</bdi><span class=${verdictClasses[verdict[1]]}>${verdictWords[verdict[1]]}</span><span>${grouped(verdict[2])}</span></button></li>`)}
      </ul>
      <p class="soft" role="status">${found.length > most_keys ? `${grouped(found.length - most_keys)} more: search for them`
        : this.wanted && found.length === 0 ? 'No key is called so' : ''}</p>`, this.box);
  }
}

export class PinPanel {
  constructor(readonly d: Data, readonly view: View, readonly box: HTMLElement) {}

  draw(): void {
    const pins = [...this.view.pins].sort((a, b) => this.d.begin[a]! - this.d.begin[b]!);
    const gaps = pins.slice(1).map((o, i) => {
      const before = pins[i]!, gap = this.d.begin[o]! - this.d.end[before]!;
      return gap >= 0 ? `${span(this.d, gap)} after the end of the one before` : 'overlaps the one before';
    });
    render(pins.length === 0
      ? html`<p class="soft">Point at an operation to read it, click or press Enter to pin it; two pins show the time between them.</p>`
      : html`<ul class="pins">${pins.map((o, i) => html`<li key=${o}>
          <button type="button" class="close" aria-label=${`unpin ${operationText(this.d, o)}`} onClick=${() => this.view.pin(o)}>×</button>
          ${this.facts(o)}${i > 0 && html`<p class="soft">${gaps[i - 1]}</p>`}</li>`)}</ul>`, this.box);
  }

  private facts(o: number): VNode {
    return html`<dl>${details(this.d, o).map(({name, value}) => html`<div key=${name}><dt>${name}</dt><dd><bdi>${value}</bdi></dd></div>`)}</dl>`;
  }

  drawTip(tip: HTMLElement): void {
    const o = this.view.hover;
    tip.hidden = o < 0;
    if (o >= 0) render(this.facts(o), tip);
  }
}

// What the canvas shows, for those who cannot see it.
export class WindowTable {
  constructor(readonly d: Data, readonly view: View, readonly box: HTMLDetailsElement) {
    box.addEventListener('toggle', () => this.draw());
  }

  // Those that began before the window and are still under way belong to it too.
  private inSight(): { list: number[]; more: number } {
    const d = this.d, index = this.view.chosen, list: number[] = [];
    for (let lane = 0; lane < d.header.lanes; ++lane) {
      const i = firstInLane(d, index, lane, this.view.from);
      const o = i < index.start[lane + 1]! ? index.ops[i]! : -1;
      if (o >= 0 && d.begin[o]! < this.view.from) list.push(o);
    }
    list.sort((a, b) => a - b);
    let more = 0;
    for (let o = firstBeginning(d, this.view.from); o < d.count && d.begin[o]! <= this.view.to; ++o) {
      if (!this.view.isChosen(o)) continue;
      if (list.length < most_rows) list.push(o); else ++more;
    }
    return {list: list.slice(0, most_rows), more: more + Math.max(0, list.length - most_rows)};
  }

  draw(): void {
    if (!this.box.open) return;
    const {list, more} = this.inSight(), d = this.d;
    render(html`<div class="table" tabindex="0" role="group" aria-label="Operations in the window"><table class="mirror">
      <thead><tr>${['operation', 'key', 'process', 'outcome', 'began', 'took'].map(name => html`<th scope="col" key=${name}>${name}</th>`)}</tr></thead>
      <tbody>${list.map(o => html`<tr key=${o} data-position=${o} class=${d.mark[o]! >= SHOWN_CORE ? 'stuck' : ''}>
        <td><button type="button" class="link op-text" onClick=${() => this.view.pin(o)}><bdi>${operationText(d, o)}</bdi></button></td>
        <td><bdi>${keyName(d, o)}</bdi></td><td>p${d.process[o]}</td>
        <td>${glyphs[d.outcome[o]!]} ${outcomes[d.outcome[o]!]}${d.mark[o] === UNPLACEABLE ? ' ✗ fits nowhere' : ''}</td>
        <td>${moment(d, d.begin[o]!)}</td><td>${d.outcome[o]! < 3 ? span(d, d.end[o]! - d.begin[o]!) : ''}</td></tr>`)}</tbody></table></div>
      <p class="soft">${more > 0 ? `${grouped(more)} more in this window: zoom in` : `${counted(list.length, 'operation')} in this window`}</p>`,
      this.box.querySelector('.mirror-box')!);
  }
}

export class LogPanel {
  private readonly lines: { tick: number; node: string; text: string }[];

  constructor(readonly d: Data, readonly view: View, readonly box: HTMLElement) {
    this.lines = d.header.logs.flatMap(log => log.lines.map(([tick, text]) => ({tick, node: log.node, text})));
    this.lines.sort((a, b) => a.tick - b.tick);
  }

  draw(): void {
    const inSight = this.lines.filter(line => line.tick >= this.view.from && line.tick <= this.view.to);
    // Where there are too many: those around what is pinned, else around the middle.
    const pin = this.view.pins[this.view.pins.length - 1];
    const centre = pin !== undefined ? this.d.begin[pin]! : (this.view.from + this.view.to) / 2;
    const at = inSight.findIndex(line => line.tick >= centre), middle = at < 0 ? inSight.length : at;
    const from = Math.max(0, Math.min(inSight.length - most_log_lines, middle - most_log_lines / 2));
    const shown = inSight.slice(from, from + most_log_lines);
    const left = this.d.header.logs.reduce((sum, log) => sum + log.left_out, 0);
    const bytes = this.d.header.logs.reduce((sum, log) => sum + log.bytes_left_out, 0);
    render(html`<div class="log" tabindex="0" role="group" aria-label="Log lines of the nodes in the window">${shown.map((line, i) => html`
        <div key=${i} onPointerEnter=${() => this.view.point(-1, line.tick)}><time>${moment(this.d, line.tick)}</time><b><bdi>${line.node}</bdi></b><span><bdi>${line.text}</bdi></span></div>`)}</div>
      <p class="soft">${counted(shown.length, 'line')} of ${grouped(inSight.length)} in this window${left > 0 ? `; ${grouped(left)} lines are only in the files` : ''}${bytes > 0 ? `; the beginning of long files (${grouped(bytes)} bytes) was not read` : ''}</p>`,
      this.box);
  }

  follow(tick: number | null): void {
    const list = this.box.querySelector('.log');
    if (!list || tick === null) return;
    let near: Element | null = null;
    for (const line of list.children) line.classList.remove('near');
    const shown = [...list.querySelectorAll('time')];
    const texts = shown.map(time => parseFloat(time.textContent ?? '0') * 1e9);
    const wanted = tick * this.d.header.unit + this.d.header.origin;
    let best = Infinity;
    texts.forEach((ns, i) => { if (Math.abs(ns - wanted) < best) { best = Math.abs(ns - wanted); near = shown[i]!.parentElement; } });
    (near as Element | null)?.classList.add('near');
  }
}

export const helpRows: [string, string][] = [
  ['←  →', 'in the counterexample: step the legal prefix; in the history: move'],
  ['j  k', 'next, previous operation'],
  ['Enter', 'pin the operation under the pointer, or keep the one walked to and go on from it'],
  ['[  ]', 'previous, next fault'],
  ['+  -  0', 'zoom in, out, show all; also ctrl and wheel'],
  ['drag', 'on the history: move; on the overview and the plots: choose a window'],
  ['/', 'search a key'],
  ['Esc', 'unpin, close, all keys'],
  ['?', 'this help'],
];
