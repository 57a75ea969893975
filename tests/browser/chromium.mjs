// Debian's chromium under playwright-core: one page at a time, with everything it says and asks for written down.
import {createRequire} from 'node:module';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';

const modules = resolve(process.env.FAULTLINE_NODE_MODULES ?? 'reports/web/node_modules');
const load = createRequire(join(modules, '..', 'package.json'));
export const {chromium} = load('playwright-core');
export const axe = load('axe-core').source;

export function launch() {
  return chromium.launch({executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']});
}

// Opens a file; `said` collects whatever must not be: console messages, errors, dialogs, requests beyond the page.
export async function open(browser, path, options = {}) {
  const {hash = '', script = true, ...rest} = options;
  const context = await browser.newContext({viewport: {width: 1240, height: 700}, javaScriptEnabled: script, ...rest});
  const page = await context.newPage();
  const said = [];
  const url = pathToFileURL(resolve(path)).href;
  page.on('console', message => said.push(`console ${message.type()}: ${message.text()}`));
  page.on('pageerror', error => said.push(`error: ${error.message}`));
  page.on('dialog', dialog => { said.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on('request', request => {
    if (request.url().split('#')[0] !== url && !request.url().startsWith('data:')) said.push(`request: ${request.url()}`);
  });
  await page.goto(url + hash);
  if (script) await page.waitForFunction(() => document.documentElement.dataset.painted !== undefined);
  return {page, said, context};
}
