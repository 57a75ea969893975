// The longest legal prefix, stepped: timeline and table of the static half together, one operation at a time.

export interface Stepper {
  readonly name: string;
  step: number;           // 0: nothing has happened; last: the whole prefix
  readonly last: number;
  go(step: number): void;
  move(by: number): void;      // prefix
  choose(by: number): void;    // operation
}

const steppers: Stepper[] = [];
export function main(): Stepper | null { return steppers[0] ?? null; }

export function enhance(evidence: HTMLElement, name: string, changed: () => void, link: ((o: number) => void) | null): Stepper | null {
  const rows = [...evidence.querySelectorAll<HTMLTableRowElement>('tr[data-step]')];
  const shapes = [...evidence.querySelectorAll<SVGGElement>('g[data-op]')];
  if (rows.length === 0 || shapes.length === 0) return null;
  const states = rows.map(row => row.querySelector('.state')?.textContent ?? '');
  const said = document.createElement('p');
  said.className = 'said';
  said.setAttribute('role', 'status');
  const section = rows[0]!.closest('section')!;
  const figure = evidence.querySelector('figure')!;
  const order = [...new Set(shapes.map(shape => shape.dataset['op']!))];
  let chosen = '';

  const stepper: Stepper = {
    name, step: rows.length, last: rows.length,
    go(step) {
      stepper.step = Math.min(stepper.last, Math.max(0, step));
      const whole = stepper.step === stepper.last;
      rows.forEach((row, i) => {
        row.classList.toggle('later', i >= stepper.step);
        row.classList.toggle('now', !whole && i === stepper.step - 1);
      });
      for (const shape of shapes) {
        const own = Number(shape.dataset['step'] ?? 0);
        shape.classList.toggle('later', own > stepper.step || (own === 0 && !whole));
        shape.classList.toggle('now', !whole && own > 0 && own === stepper.step);
      }
      const next = rows[stepper.step]?.querySelector('.op-text')?.textContent;
      const state = stepper.step === 0 ? 'the initial state' : states[stepper.step - 1];
      said.textContent = `${whole ? `All ${stepper.last} steps` : `Step ${stepper.step} of ${stepper.last}`}${state ? `: ${state}` : ''}${
        next && !whole ? `; next ${next}` : ''}`;
      const folded = rows[stepper.step - 1]?.closest('details');
      if (folded && !whole) folded.open = true;
      changed();
    },
    move(by) { stepper.go(stepper.step + by); },
    choose(by) {
      const at = order.indexOf(chosen);
      highlight(order[at < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(order.length - 1, Math.max(0, at + by))]!);
    },
  };

  function highlight(op: string): void {
    chosen = op;
    for (const element of [...shapes, ...evidence.querySelectorAll<HTMLElement>('tr[data-op]')]) {
      element.classList.toggle('chosen', element.dataset['op'] === op);
    }
    const title = shapes.find(shape => shape.dataset['op'] === op)?.querySelector('title')?.textContent;
    if (title) said.textContent = title;
  }

  const bar = document.createElement('div');
  bar.className = 'stepper';
  const button = (label: string, spoken: string, act: () => void) => {
    const b = document.createElement('button');
    b.type = 'button';
    b.textContent = label;
    b.setAttribute('aria-label', spoken);
    b.addEventListener('click', act);
    bar.append(b);
  };
  button('«', 'to the initial state', () => stepper.go(0));
  button('‹', 'one step back', () => stepper.move(-1));
  button('›', 'one step on', () => stepper.move(1));
  button('»', 'to the end of the prefix', () => stepper.go(stepper.last));
  bar.append(said);
  section.querySelector('h2,h3')!.after(bar);
  said.textContent = 'Step through it with ← and →';

  for (const element of [...shapes, ...evidence.querySelectorAll<HTMLElement>('tr[data-op]')]) {
    element.addEventListener('pointerenter', () => highlight(element.dataset['op']!));
    if (link) element.addEventListener('click', () => link(Number(element.dataset['op'])));
  }
  for (const [place, label] of [[figure, 'Timeline: arrows step the prefix, j and k choose an operation'],
    [section.querySelector<HTMLElement>('.table')!, 'Longest legal prefix: arrows step it']] as const) {
    place.tabIndex = 0;
    place.setAttribute('role', 'group');
    place.setAttribute('aria-label', label);
    place.addEventListener('keydown', event => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const act = {ArrowLeft: () => stepper.move(-1), ArrowRight: () => stepper.move(1), Home: () => stepper.go(0), End: () => stepper.go(stepper.last),
        j: () => stepper.choose(1), k: () => stepper.choose(-1), Enter: () => { if (link && chosen) link(Number(chosen)); }}[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }
  steppers.push(stepper);
  return stepper;
}
