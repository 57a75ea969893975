// measure.mjs PAGE…: what opening and zooming a page costs, median of five; prints one JSON object per page. Budgets: report.md.
import {statSync} from 'node:fs';
import {basename} from 'node:path';
import {launch, open} from './chromium.mjs';

const rounds = 5;
const median = list => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

// Presses a key and waits until its frame is drawn: the time of the drawing alone, as the frame's own callback takes it.
async function redraws(page) {
  return page.evaluate(async () => {
    const lanes = document.querySelector('.lanes');
    const spent = [];
    const frame = window.requestAnimationFrame;
    window.requestAnimationFrame = callback => frame(time => {
      const began = performance.now();
      callback(time);
      // The plots draw in a microtask of their own, which runs before this one.
      queueMicrotask(() => spent.push(performance.now() - began));
    });
    const press = async key => {
      lanes.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
      await new Promise(done => frame(() => setTimeout(done, 0)));
    };
    for (const key of [...'++++++++++++++++++', 'ArrowRight', 'ArrowRight', ...'------------------', '0']) await press(key);
    window.requestAnimationFrame = frame;
    return spent;
  });
}

for (const path of process.argv.slice(2)) {
  const painted = [], verdict = [], worst = [], middle = [], requests = [], heap = [];
  for (let round = 0; round < rounds; ++round) {
    const browser = await launch();
    const {page, said, context} = await open(browser, path);
    const times = await page.evaluate(() => ({
      painted: performance.getEntriesByName('faultline-painted')[0]?.startTime ?? NaN,
      first: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN,
      heap: performance.memory?.usedJSHeapSize ?? NaN,
    }));
    painted.push(times.painted);
    verdict.push(times.first);
    heap.push(times.heap);
    const spent = await page.locator('.lanes').count() > 0 ? await redraws(page) : [0];
    worst.push(Math.max(...spent));
    middle.push(median(spent));
    requests.push(said.filter(line => line.startsWith('request')).length);
    await context.close();
    await browser.close();
  }
  console.log(JSON.stringify({
    page: basename(path), bytes: statSync(path).size, verdict_painted_ms: Math.round(median(verdict)), all_painted_ms: Math.round(median(painted)),
    redraw_median_ms: Number(median(middle).toFixed(1)), redraw_worst_ms: Number(median(worst).toFixed(1)),
    heap_mb: Math.round(median(heap) / 1e6), requests: Math.max(...requests),
  }));
}
