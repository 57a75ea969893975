// pages_test.mjs PAGES SCREENSHOTS: opens the sample pages and tries them as a reader would. Prints one line per claim; exits 1 if one fails.
import assert from 'node:assert/strict';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {axe, launch, open} from './chromium.mjs';

const [pages, screenshots] = process.argv.slice(2);
const names = readdirSync(pages).filter(name => name.endsWith('.html')).map(name => name.slice(0, -5)).sort();
const path = name => join(pages, `${name}.html`);
const browser = await launch();
let failed = 0;

async function claim(text, test) {
  const began = Date.now();
  try {
    await test();
    console.log(`ok     ${text} (${Date.now() - began} ms)`);
  } catch (error) {
    ++failed;
    console.log(`FAILED ${text}\n${error.stack}`);
  }
}

async function using(name, options, test) {
  const opened = await open(browser, path(name), options);
  try {
    await test(opened.page, opened.said);
    assert.deepEqual(opened.said, [], 'what the page said or asked for');
  } finally {
    await opened.context.close();
  }
}

const settle = page => page.evaluate(() => new Promise(done => setTimeout(() => requestAnimationFrame(done), 250)));
const hash = page => page.evaluate(() => decodeURIComponent(location.hash));
const violations = page => page.evaluate(async () => (await window.axe.run(document, {resultTypes: ['violations']})).violations
  .map(v => `${v.id}: ${v.nodes.map(n => n.target.join(' ') + ' ' + n.failureSummary).join('; ')}`));

const judged = ['empty', 'hostile', 'many', 'nodes', 'not-checked-yet', 'sized-10000', 'stale-read', 'valid'];

for (const name of names) {
  await claim(`${name}: opens without a word or a request${judged.includes(name) ? '; axe-core finds nothing in light and dark' : ''}`, async () => {
    await using(name, {}, async page => {
      if (name !== 'empty') assert.equal(await page.locator('#history').isVisible(), true);
      if (!judged.includes(name)) return;
      await page.evaluate(axe);
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({colorScheme});
        await settle(page);
        assert.deepEqual(await violations(page), [], colorScheme);
      }
    });
  });
}

await claim('axe-core would find something: a button without a name, text too pale', async () => {
  await using('sized-10', {}, async page => {
    await page.evaluate(axe);
    await page.evaluate(() => {
      const button = document.querySelector('.tools button');
      button.textContent = '';
      button.removeAttribute('aria-label');
      button.removeAttribute('title');
      document.querySelector('#contradiction').className = '';
      document.querySelector('#contradiction').animate([{color: '#eee'}, {color: '#eee'}], {duration: 1e9});
    });
    const found = (await violations(page)).map(text => text.split(':')[0]);
    assert.deepEqual(found.sort(), ['button-name', 'color-contrast']);
  });
});

await claim('with scripts off every page says the same, and shows its evidence', async () => {
  for (const name of ['stale-read', 'unknown', 'wide-and-deep', 'hostile']) {
    let spoken;
    const read = page => page.evaluate(() => ['h1', '#contradiction', '.candidates', '.commands'].map(where =>
      [...document.querySelectorAll(where)].map(e => e.innerText.replace(/\bcopy\b/g, '').replace(/\s+/g, ' ').trim()).join('|')).join('\n'));
    await using(name, {}, async page => { spoken = await read(page); });
    await using(name, {script: false}, async page => {
      assert.equal(await read(page), spoken);
      assert.equal(await page.locator('#history').isVisible(), false);
    });
  }
});

await claim('verdict, sentence, picture, prefix and first command need no scrolling at 1240 x 700', async () => {
  for (const name of ['stale-read', 'lost-update', 'double-apply', 'two-holders', 'fallback', 'nodes']) {
    await using(name, {}, async page => {
      for (const where of ['h1', '#contradiction', '.facts', 'figure svg.wide', 'tr[data-step="1"]', '.candidates', '.cmd']) {
        const box = await page.locator(where).first().boundingBox();
        assert.ok(box && box.y + Math.min(box.height, 300) <= 700, `${name}: ${where} ends at ${box && box.y + box.height}`);
      }
    });
  }
});

await claim('hostile texts stay text: no element of theirs, nothing runs', async () => {
  await using('hostile', {}, async page => {
    for (const opened of await page.locator('summary').all()) await opened.click();
    await page.locator('.lanes').focus();
    await page.keyboard.press('j');
    await settle(page);
    assert.equal(await page.locator('img').count(), 0);
    assert.equal(await page.locator('script').count(), 1);
    assert.ok((await page.locator('.pins').innerText()).includes('</script><script>alert(1)</script>'));
    assert.ok((await page.locator('.log').innerText()).includes('</script><script>alert(1)</script>'));
    assert.ok((await page.locator('.keys').innerText()).includes('</script>'));
  });
});

await claim('keyboard: zoom, move, faults, operations, search, help and escape, kept in the link', async () => {
  await using('sized-10000', {}, async page => {
    await page.locator('.lanes').focus();
    assert.equal(await hash(page), '');
    for (const key of ['+', '+', 'ArrowRight', ']', 'j']) await page.keyboard.press(key);
    await settle(page);
    const link = await hash(page);
    assert.match(link, /from=\d+&to=\d+&pin=\d+/);
    assert.equal(await page.locator('.pins li').count(), 1);
    await page.keyboard.press('j');
    await settle(page);
    assert.notEqual(await hash(page), link);
    assert.equal(await page.locator('.pins li').count(), 1);
    await page.keyboard.press('Enter');
    await page.keyboard.press('j');
    await settle(page);
    assert.equal(await page.locator('.pins li').count(), 2);
    await page.keyboard.press('?');
    assert.equal(await page.locator('dialog[open]').count(), 1);
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('dialog[open]').count(), 0);
    await page.locator('.lanes').focus();
    await page.keyboard.press('/');
    await page.keyboard.type('k7');
    await page.keyboard.press('Enter');
    await settle(page);
    assert.match(await hash(page), /key=k7/);
    await page.locator('.lanes').focus();
    await page.keyboard.press('Escape');
    await page.keyboard.press('0');
    await settle(page);
    assert.equal(await hash(page), '');
  });
});

await claim('a link leads back to the same key, window and pins', async () => {
  await using('sized-10000', {hash: '#key=k3&from=20000&to=30000&pin=5'}, async page => {
    await settle(page);
    assert.equal(await page.locator('.keys button[aria-pressed=true]').innerText().then(t => t.split('\n')[0].trim()), 'k3');
    assert.equal(await page.locator('.pins li').count(), 1);
    await page.locator('.lanes').focus();
    await page.keyboard.press('+');
    await settle(page);
    assert.match(await hash(page), /key=k3&from=22500&to=27500&pin=5/);
  });
});

await claim('a brush over the overview chooses the window; a drag moves it; a click pins', async () => {
  await using('sized-10000', {}, async page => {
    const overview = page.locator('.overview'), lanes = page.locator('.detail');
    await overview.scrollIntoViewIfNeeded();
    const box = await overview.boundingBox();
    await page.mouse.move(box.x + 300, box.y + 30);
    await page.mouse.down();
    await page.mouse.move(box.x + 340, box.y + 30, {steps: 4});
    await page.mouse.up();
    await settle(page);
    const window = /from=(\d+)&to=(\d+)/.exec(await hash(page)).slice(1).map(Number);
    assert.ok(window[1] > window[0]);
    await lanes.scrollIntoViewIfNeeded();
    const area = await lanes.boundingBox();
    await page.mouse.move(area.x + 500, area.y + 100);
    await page.mouse.down();
    await page.mouse.move(area.x + 400, area.y + 100, {steps: 4});
    await page.mouse.up();
    await settle(page);
    const moved = /from=(\d+)&to=(\d+)/.exec(await hash(page)).slice(1).map(Number);
    assert.ok(moved[0] > window[0] && Math.abs((moved[1] - moved[0]) - (window[1] - window[0])) <= 2, `${window} then ${moved}`);
    await page.mouse.click(area.x + 400, area.y + 120);
    await settle(page);
    assert.equal(await page.locator('.pins li').count(), 1);
    assert.equal(await page.locator('.tip').isVisible(), true);
  });
});

await claim('the table mirrors the canvas: every operation in the window, as recorded', async () => {
  await using('nodes', {}, async page => {
    await page.locator('.mirror-details summary').click();
    await settle(page);
    const rows = (await page.locator('.mirror tbody tr').allInnerTexts()).map(text => text.split('\t').slice(0, 4).join(' | '));
    assert.deepEqual(rows, ['write 1 | x | p1 | ✓ ok', 'write 2 | x | p2 | ✓ ok', 'read → 1 | x | p3 | ✓ ok ✗ fits nowhere',
      'write 3 | x | p4 | ? info', 'read → 2 | x | p2 | ✓ ok']);
  });
});

await claim('the prefix steps by arrows, table and timeline together, and its step is in the link', async () => {
  await using('stale-read', {}, async page => {
    await page.locator('figure.picture').first().focus();
    await page.keyboard.press('Home');
    assert.equal(await page.locator('tr.later').count(), 2);
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.locator('tr.now[data-step="1"]').count(), 1);
    assert.equal(await page.locator('svg.wide g.now[data-step="1"]').first().isVisible(), true);
    assert.match(await page.locator('.said').first().innerText(), /^Step 1 of 2: 3/);
    await settle(page);
    assert.match(await hash(page), /step=1/);
    await page.keyboard.press('j');
    assert.ok(await page.locator('svg .chosen').count() > 0);
  });
  await using('stale-read', {hash: '#step=1'}, async page => assert.equal(await page.locator('tr.now[data-step="1"]').count(), 1));
});

await claim('a valid page steps through its legal order', async () => {
  await using('ordered', {}, async page => {
    await page.locator('summary', {hasText: 'A legal order'}).click();
    await page.locator('figure.picture').first().focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.locator('.said').first().innerText(), 'Step 1 of 5; next p0 write 1');
  });
});

await claim('a command is copied, or selected where there is no clipboard', async () => {
  await using('stale-read', {}, async page => {
    await page.evaluate(() => Object.defineProperty(navigator, 'clipboard', {value: undefined}));
    await page.locator('.copy').first().click();
    assert.equal(await page.evaluate(() => getSelection().toString()), await page.locator('.cmd').first().innerText());
  });
});

await claim('terms, clock offsets and logs stand on the same axis', async () => {
  await using('nodes', {}, async page => {
    assert.equal(await page.locator('canvas.strip').count(), 2);
    assert.equal(await page.locator('.log > div').count(), 5);
    await page.locator('.lanes').focus();
    for (let i = 0; i < 3; ++i) await page.keyboard.press('+');
    await settle(page);
    assert.ok(await page.locator('.log > div').count() < 5);
  });
});

await claim('a failing key is drawn even when all of a million operations are in sight', async () => {
  await using('sized-1000000', {}, async page => {
    assert.equal(await page.locator('.keys button').nth(1).innerText().then(text => text.includes('invalid')), true);
    const red = await page.evaluate(() => {
      const canvas = document.querySelector('canvas.overview');
      const bad = getComputedStyle(document.documentElement).getPropertyValue('--bad').trim();
      const [r, g, b] = [1, 3, 5].map(i => parseInt(bad.slice(i, i + 2), 16));
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      let count = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i] === r && data[i + 1] === g && data[i + 2] === b) ++count;
      return count;
    });
    assert.ok(red > 20, `${red} pixels`);
  });
});

await claim('printed, a page takes two sheets', async () => {
  for (const name of ['stale-read', 'valid', 'wide-and-deep']) {
    await using(name, {}, async page => {
      const pdf = await page.pdf({format: 'A4', preferCSSPageSize: true, path: join(screenshots, `print-${name}.pdf`)});
      const sheets = pdf.toString('latin1').match(/\/Type\s*\/Page\b(?!s)/g).length;
      assert.ok(sheets === 1 || sheets === 2, `${name}: ${sheets} sheets`);
    });
  }
});

await claim('screenshots of first screen, whole page, dark, mobile and print', async () => {
  for (const name of ['stale-read', 'nodes', 'wide-and-deep', 'valid', 'sized-1000000']) {
    await using(name, {}, async page => {
      const shot = (kind, fullPage) => page.screenshot({path: join(screenshots, `${name}-${kind}.png`), fullPage});
      await settle(page);
      await shot('first', false);
      await shot('whole', true);
      await page.emulateMedia({colorScheme: 'dark'});
      await settle(page);
      await shot('dark', true);
      await page.emulateMedia({colorScheme: 'light'});
      await page.setViewportSize({width: 400, height: 800});
      await settle(page);
      await shot('mobile', true);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= 400), true, `${name} is wider than a telephone`);
      await page.setViewportSize({width: 794, height: 1123});
      await page.emulateMedia({media: 'print'});
      await settle(page);
      await shot('print', true);
    });
  }
});

await browser.close();
console.log(failed === 0 ? 'all claims hold' : `${failed} claims failed`);
process.exit(failed === 0 ? 0 : 1);
