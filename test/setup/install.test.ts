import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { until } from '../support/until.js';
import { runModule, temporaryFolder } from './program.js';

const FOREIGN = process.platform === 'darwin' ? 'linux' : 'darwin';
const A = { version: '1.0.0', integrity: 'sha512-a' };
const WANTED = {
  '': { version: '1.0.0' },
  'node_modules/a': A,
  'node_modules/b': { version: '2.0.0', integrity: 'sha512-b', os: [FOREIGN], optional: true },
};

async function isInstalled(installed: object): Promise<boolean> {
  const program = runModule(`
    import { isInstalled } from './install.mjs';
    const [wanted, installed] = ${JSON.stringify([{ packages: WANTED }, { packages: installed }])};
    console.log(isInstalled(wanted, installed));
  `);
  await program.exited;
  return JSON.parse(program.output());
}

test('what the lock file asks for is installed, though the optional packages of other platforms are not', async () => {
  expect(await isInstalled({ 'node_modules/a': A, 'node_modules/extra': A })).toBe(true);
});

test.each([
  ['a package is missing', {}],
  ['a package has another version', { 'node_modules/a': { ...A, version: '1.0.1' } }],
  ['a package has another content', { 'node_modules/a': { ...A, integrity: 'sha512-x' } }],
  [
    'the packages were installed on another platform',
    { 'node_modules/a': A, 'node_modules/b': WANTED['node_modules/b'] },
  ],
])('it is not installed when %s', async (_title, installed) => {
  expect(await isInstalled(installed)).toBe(false);
});

// An npm that takes a moment, counts its runs, and leaves behind what npm leaves behind.
function project() {
  const root = temporaryFolder();
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { 'node_modules/a': A } }));
  const npm = join(root, 'npm-cli.js');
  writeFileSync(
    npm,
    `const fs = require('node:fs');
     fs.appendFileSync('runs', process.argv.slice(2).join(' ') + '\\n');
     setTimeout(() => {
       if (process.env.NPM_FAILS) process.exit(7);
       fs.mkdirSync('node_modules', { recursive: true });
       fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
     }, process.env.NPM_TAKES_MS ?? 300);`,
  );
  const source = `
    import { ensureInstalled } from './install.mjs';
    await ensureInstalled(${JSON.stringify(root)});
    console.log('done');
  `;
  const runs = () => readFileSync(join(root, 'runs'), 'utf8').trim().split('\n');
  const ensure = (env: NodeJS.ProcessEnv = {}) =>
    runModule(source, { env: { TMPDIR: root, npm_execpath: npm, ...env } });
  return { root, ensure, runs };
}

test('npm runs once when two start at the same time, and not at all afterwards', async () => {
  const { ensure, runs } = project();
  const both = [ensure(), ensure()];
  expect(await Promise.all(both.map((program) => program.exited))).toEqual([0, 0]);
  expect(runs()).toHaveLength(1);
  expect(runs()[0]).toMatch(/^ci .*--include=dev/);

  expect(await ensure().exited).toBe(0);
  expect(runs()).toHaveLength(1);
});

test('a run that was killed leaves no lock that holds up the next', async () => {
  const { root, ensure, runs } = project();
  const killed = ensure({ NPM_TAKES_MS: '8000' });
  await until(() => existsSync(join(root, 'runs')), 5_000);
  // On a busy machine npm may run before the watchdog has heard of it.
  await sleep(1_000);
  process.kill(killed.pid, 'SIGKILL');
  // Its npm holds the same standard error, so that both have ended here.
  await killed.exited;
  expect(existsSync(join(root, 'node_modules'))).toBe(false);

  expect(await ensure().exited).toBe(0);
  expect(runs()).toHaveLength(2);
});

test('when npm fails, so does the set-up, and says where to look', async () => {
  const { root, ensure } = project();
  mkdirSync(join(root, 'node_modules'));
  const program = ensure({ NPM_FAILS: '1' });
  expect(await program.exited).not.toBe(0);
  expect(program.output()).toContain('npm ci failed (exit code 7)');
});
