// Builds the shell: node build.mjs [--check]. Into dist/, which is committed; --check builds elsewhere, compares
// and exits 1 if the committed shell is not what these sources make.
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync, existsSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {createRequire} from 'node:module';

const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.FAULTLINE_NODE_MODULES ?? join(here, 'node_modules');
const {build} = createRequire(join(modules, '..', 'package.json'))('esbuild');

const bundled = ['uplot', 'preact', 'htm'];

async function bundle(entry) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: 'iife',
    target: ['chrome110', 'firefox115', 'safari16.4'],
    charset: 'utf8',
    legalComments: 'none',
    nodePaths: [modules],
    logLevel: 'warning',
  });
  // The minifier writes tabs of string literals as they are; a page holds no control characters.
  return result.outputFiles[0].text.replaceAll('\t', '\\t');
}

function notices() {
  const parts = ['The built shell contains these libraries, whole or in part.\n'];
  for (const name of bundled) {
    const described = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
    const licence = readFileSync(join(modules, name, 'LICENSE'), 'utf8').replaceAll('\r\n', '\n').trim();
    parts.push(`== ${name} ${described.version} (${described.license})\n\n${licence}\n`);
  }
  return parts.join('\n');
}

function refuse(name, text, patterns) {
  for (const pattern of patterns) {
    if (pattern.test(text)) throw new Error(`${name} holds ${pattern}, which must not stand in the page`);
  }
}

const files = {
  'shell.js': await bundle('src/main.ts'),
  'shell.css': await bundle('src/shell.css'),
  'runs.js': await bundle('src/runs.ts'),
  'runs.css': await bundle('src/runs.css'),
  'NOTICES.txt': notices(),
};
for (const name of ['shell.js', 'runs.js']) refuse(name, files[name], [/<\/script/i, /<!--/, /\beval\(/, /new Function/, /[\x00-\x08\x0b-\x1f]/, /\)FAULTLINE"/]);
for (const name of ['shell.css', 'runs.css']) refuse(name, files[name], [/<\//, /url\(/i, /@import/, /\)FAULTLINE"/]);
const bytes = Buffer.byteLength(files['shell.js']) + Buffer.byteLength(files['shell.css']);
if (bytes > 120 * 1024) throw new Error(`the shell takes ${bytes} bytes, more than its 120 KiB`);
files['SHA256SUMS'] = Object.entries(files)
  .map(([name, text]) => `${createHash('sha256').update(text).digest('hex')}  ${name}\n`)
  .join('');

const committed = join(here, 'dist');
if (process.argv.includes('--check')) {
  const other = Object.entries(files).filter(([name, text]) => {
    const path = join(committed, name);
    return !existsSync(path) || readFileSync(path, 'utf8') !== text;
  });
  for (const [name] of other) console.error(`dist/${name} is not what the sources make: run npm ci && npm run build`);
  process.exit(other.length === 0 ? 0 : 1);
}
mkdirSync(committed, {recursive: true});
for (const [name, text] of Object.entries(files)) writeFileSync(join(committed, name), text);
for (const [name, text] of Object.entries(files)) console.log(`${name} ${Buffer.byteLength(text)} bytes`);
