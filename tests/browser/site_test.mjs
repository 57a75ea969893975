// site_test.mjs FAULTLINE RUNS SCREENSHOTS: the page of `faultline serve` as a reader uses it. Exits 1 if a claim fails.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {writeFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {axe, launch} from './chromium.mjs';

const [faultline, runs, screenshots] = process.argv.slice(2);
const site = spawn(faultline, ['serve', runs, '--port', '0', '--json', '--quiet'], {stdio: ['ignore', 'pipe', 'inherit']});
const {value: line} = await createInterface({input: site.stdout})[Symbol.asyncIterator]().next();
const {url} = JSON.parse(line);
const browser = await launch();
const said = [];
const page = await (await browser.newContext({viewport: {width: 1240, height: 700}})).newPage();
page.on('console', message => said.push(`console ${message.type()}: ${message.text()}`));
page.on('pageerror', error => said.push(`error: ${error.message}`));
page.on('request', request => { if (!request.url().startsWith(url) && !request.url().startsWith('data:')) said.push(`request: ${request.url()}`); });
let failed = 0;

async function claim(text, test) {
  try {
    await test();
    console.log(`ok     ${text}`);
  } catch (error) {
    ++failed;
    console.log(`FAILED ${text}\n${error.stack}`);
  }
}
const rows = count => page.waitForFunction(n => document.documentElement.dataset.drawn === String(n), count, {timeout: 60000});

await page.goto(url);
await claim('the list holds every run, newest first, with its verdict', async () => {
  await rows(3);
  assert.deepEqual(await page.locator('.runs tbody .tone').allInnerTexts(), ['✓ Linearizable', '✗ Not linearizable', '✗ Not linearizable']);
  assert.equal(await page.locator('.trend li').count(), 3);
});
await claim('axe-core finds nothing in light and dark', async () => {
  await page.evaluate(axe);
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({colorScheme});
    const found = await page.evaluate(async () => (await window.axe.run(document, {resultTypes: ['violations']})).violations
      .map(v => `${v.id}: ${v.nodes.map(n => n.target.join(' ')).join('; ')}`));
    assert.deepEqual(found, [], colorScheme);
    await page.screenshot({path: join(screenshots, `runs-${colorScheme}.png`), fullPage: true});
  }
});
await claim('a search, a filter and an order, kept in the link', async () => {
  await page.locator('#query').fill('seed-of-nobody');
  await rows(0);
  await page.locator('#query').fill('20261121');
  await rows(2);
  await page.locator('select').first().selectOption('bad');
  await rows(1);
  assert.match(page.url(), /#q=20261121&verdict=bad/);
  await page.reload();
  await rows(1);
  await page.goto(url + '#sort=seed&up=1');
  await page.reload();
  await rows(3);
  assert.equal((await page.locator('.runs tbody tr').last().locator('.num').last().innerText()).trim(), '4');
});
await claim('two runs beside each other, what differs highlighted', async () => {
  for (const box of [0, 2]) await page.locator('.runs input').nth(box).check();
  await page.locator('.compared').waitFor({timeout: 60000});
  assert.ok((await page.locator('.differs').first().innerText()).includes('verdict'));
});
await claim('a run that goes on is shown as it goes', async () => {
  const file = join(runs, 'register/20261121T110000Z/progress.json');
  writeFileSync(file, JSON.stringify({schema: 1, phase: 'run', updated: Date.now() * 1e6, seed: '4', target: 'raft', workload: 'register',
    time: 5e9, limit: 1e10, operations: 1200, ok: 1100, fail: 60, info: 40, rate: 240, faults: ['kill'], online: 0, check: null}));
  await page.locator('.going progress').waitFor({timeout: 60000});
  assert.match(await page.locator('div.going').innerText(), /5 s of 10 s · 1.200 operations · 240\/s[^]*under kill[^]*nothing wrong so far/);
  rmSync(file);
});
await claim('a telephone shows it without scrolling sideways', async () => {
  await page.setViewportSize({width: 400, height: 800});
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= 400), true);
  await page.screenshot({path: join(screenshots, 'runs-mobile.png'), fullPage: true});
  await page.setViewportSize({width: 1240, height: 700});
});
await claim('a report opens in its sandbox, with its history drawn', async () => {
  await page.goto(`${url}runs/register/20261120T100000Z/report.html`);
  await page.waitForFunction(() => document.documentElement.dataset.painted !== undefined, null, {timeout: 60000});
  assert.equal(await page.locator('#history').isVisible(), true);
  assert.equal(await page.evaluate(() => self.origin), 'null');
});
await claim('nothing was said on the console, nobody else was asked', async () => assert.deepEqual(said, []));

await browser.close();
site.kill('SIGINT');
console.log(failed === 0 ? 'all claims hold' : `${failed} claims failed`);
process.exit(failed === 0 ? 0 : 1);
