// `npm run test:matrix`: the tests on every version that package.json promises, as a table; fails when a cell does.
//
// --quick takes about a minute. --full runs all tests in each cell, not those that depend on what is varied, and takes
// hours. Other words choose cells by name: `npm run test:matrix -- 'Node 24' valkey`.

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { ensureInstalled } from '../../demo-app/setup/install.mjs';
import { reason, say } from '../../demo-app/setup/log.mjs';
import { ask } from '../../demo-app/setup/programs.mjs';
import { startChild } from '../../demo-app/setup/signals.mjs';
import { allCells, quickCells } from './cells.mjs';
import { findServers } from './servers.mjs';
import { inProject, matrixFolder, nodeProgram, REPOSITORY, removeUnused } from './workplace.mjs';

const STOPPED_WITHIN_MS = 20_000;
const SHOWN_LINES = 60;
const PEERS = ['express', 'redis', 'ioredis', 'connect-redis', 'express-session'];

/**
 * @typedef {import('./cells.mjs').Cell} Cell
 * @typedef {object} Row
 * @property {string} cell
 * @property {number} passed
 * @property {number} failed
 * @property {number} seconds
 * @property {string} on the versions that really ran
 */

let isInterrupted = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, function stopAfterThis() {
    isInterrupted = true;
  });
}

try {
  process.exitCode = await matrix(process.argv.slice(2));
} catch (error) {
  say(reason(error));
  process.exitCode = 1;
}

/** @param {string[]} words */
async function matrix(words) {
  await ensureInstalled();
  removeUnused();
  const isQuick = words.includes('--quick');
  const names = words.filter((word) => !word.startsWith('--'));
  const servers = await findServers(!isQuick);
  const { peerDependencies } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
  const cells = (isQuick ? quickCells(servers) : allCells(servers, peerDependencies))
    .filter(
      ({ name }) =>
        names.length === 0 || names.some((each) => name.toLowerCase().includes(each.toLowerCase())),
    )
    .map((cell) => (words.includes('--full') ? { ...cell, tests: [] } : cell));
  if (cells.length === 0) throw new Error(`no cell is called ${names.join(' or ')}`);
  for (const cell of cells) checkPatterns(cell);

  /** @type {Row[]} */
  const rows = [];
  for (const cell of cells) if (!isInterrupted) rows.push(await tryCell(cell));
  process.stdout.write(`\n${tableOf(rows)}\n`);
  const failures = rows.filter(({ failed }) => failed > 0);
  if (failures.length > 0) process.stdout.write(`FAILED: ${failures.map(({ cell }) => cell).join(', ')}\n`);
  return failures.length === 0 && !isInterrupted ? 0 : 1;
}

/** A test that was renamed would leave the matrix without a word. @param {Cell} cell */
function checkPatterns({ name, tests }) {
  const files = readdirSync(join(REPOSITORY, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `/test/${file}`);
  const lost = tests.filter((pattern) => !files.some((file) => new RegExp(below(pattern)).test(file)));
  if (lost.length > 0) throw new Error(`${name}: no test is called ${lost.join(' or ')}`);
}

/** @param {Cell} cell @returns {Promise<Row>} */
async function tryCell(cell) {
  say(`${cell.name}: begins`);
  /** @type {Row} */
  const row = { cell: cell.name, passed: 0, failed: 1, seconds: 0, on: '' };
  try {
    const node = await nodeProgram(cell.node);
    await inProject(cell.packages, async function runTests(folder) {
      const startedAt = performance.now();
      Object.assign(row, { on: await versionsIn(folder, node, cell) });
      Object.assign(row, await runIn(folder, node, cell));
      row.seconds = Math.round((performance.now() - startedAt) / 1000);
    });
  } catch (error) {
    row.on ||= reason(error);
  }
  say(`${row.cell}: ${row.passed} passed, ${row.failed} failed`);
  return row;
}

/**
 * @param {string} folder
 * @param {string} node
 * @param {Cell} cell
 */
async function runIn(folder, node, { name, redis, tests }) {
  const logs = join(matrixFolder(), 'logs');
  mkdirSync(logs, { recursive: true });
  const file = join(logs, `${name.replace(/[^\w.]+/g, '-')}-${process.pid}.log`);
  const log = openSync(file, 'w');
  const PATH = [dirname(node), process.env.PATH].join(delimiter);
  const { ended, isStopping } = startChild(['test/run.mjs', '--ci', '--silent', ...tests.map(below)], {
    cwd: folder,
    env: { ...process.env, PATH, REDIS_SERVER_BIN: redis.program },
    stdio: ['ignore', log, log],
    stopSignal: 'SIGTERM',
    graceMs: STOPPED_WITHIN_MS,
    isQuiet: true,
    node,
  });
  closeSync(log);
  const code = await ended;
  isInterrupted ||= isStopping();
  const text = readFileSync(file, 'utf8');
  const [, passed = 0, failed = 0] = /^(\d+) passed, (\d+) failed/m.exec(text) ?? [];
  const counts = { passed: Number(passed), failed: Number(failed) };
  if (code === 0 && counts.failed === 0 && counts.passed > 0) return counts;
  process.stdout.write(`${failuresIn(text)}\nmore in ${file}\n`);
  // What never got as far as a test has failed all the same.
  return { ...counts, failed: Math.max(counts.failed, 1) };
}

/** Jest looks for it in the whole path, and anything may stand there. @param {string} pattern */
function below(pattern) {
  return `/test/${pattern}`;
}

/** @param {string} log of jest */
function failuresIn(log) {
  const lines = log.split('\n');
  const from = lines.findIndex((line) => line.includes('●'));
  return (from < 0 ? lines.slice(-SHOWN_LINES) : lines.slice(from, from + SHOWN_LINES)).join('\n');
}

/**
 * @param {string} folder
 * @param {string} node
 * @param {Cell} cell
 */
async function versionsIn(folder, node, { redis }) {
  const { stdout } = await ask(node, ['--version'], { timeoutMs: 10_000 });
  const packages = PEERS.map(function versionOf(name) {
    const manifest = join(folder, 'node_modules', name, 'package.json');
    return `${name} ${JSON.parse(readFileSync(manifest, 'utf8')).version}`;
  });
  return [`Node ${stdout.trim().slice(1)}`, redis.name, ...packages].join(', ');
}

/** @param {Row[]} rows */
function tableOf(rows) {
  const lines = [['', 'passed', 'failed', 'seconds', 'on']].concat(
    rows.map(({ cell, passed, failed, seconds, on }) => [cell, ...[passed, failed, seconds].map(String), on]),
  );
  const width = Math.max(...lines.map(([cell = '']) => cell.length));
  return lines
    .map(([cell = '', ...cells]) => {
      const on = cells.pop() ?? '';
      return `${cell.padEnd(width)}${cells.map((each) => each.padStart(9)).join('')}  ${on}`;
    })
    .join('\n');
}
