/** Tables and targets for people. */

import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import type { Result, Row, Verdict } from './plan.js';
import { type Spread, spellSpread } from './statistics.js';

/** Whose figures depend on the version that is installed. */
const PACKAGES = [
  'express',
  'redis',
  'express-session',
  'connect-redis',
  'express-rate-limit',
  'rate-limit-redis',
  'rate-limiter-flexible',
  'bentocache',
  'async-cache-dedupe',
  'ioredis',
  'apicache',
];

export interface Circumstances {
  readonly date: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
}

export function circumstancesOf(redisVersion: string): Circumstances {
  const [first] = cpus();
  const versions: Record<string, string> = { node: process.versions.node, redisServer: redisVersion };
  for (const name of PACKAGES) versions[name] = versionOf(name);
  return {
    date: new Date().toISOString(),
    machine: `${cpus().length} x ${first?.model.trim() ?? 'unknown'}, ${process.platform} ${release()}`,
    versions,
  };
}

export function spellCircumstances({ date, machine, versions }: Circumstances): string {
  const spelled = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${date}\n${machine}\n${spelled.join(', ')}\nFigures are medians, in brackets the middle half of the rounds; ratios are of the same rounds.\n`;
}

export function spellResult(result: Result): string {
  const scenarios = Object.entries(result.scenarios).map(
    ([name, rows]) => `\n${result.bench}: ${name}\n${tableOf([headOf(rows), ...rows.map(cellsOf)])}\n`,
  );
  const extras = result.extras.map(({ title, rows }) => `\n${result.bench}: ${title}\n${tableOf(rows)}\n`);
  return [`\n${result.about}\n`, ...scenarios, ...extras].join('');
}

export function spellVerdicts(verdicts: readonly Verdict[]): string {
  const words = { true: 'met', false: 'MISSED', undefined: 'not measured' };
  const rows = verdicts.map(({ target, measured, isMet, note = '' }) => [
    words[String(isMet) as keyof typeof words],
    target,
    measured,
    note,
  ]);
  return `\n${tableOf([['target', '', 'measured'], ...rows])}\n`;
}

function headOf(rows: readonly Row[]): string[] {
  const head = [
    '',
    'server CPU us/request',
    'x floor',
    'x peer',
    'requests/s',
    'p99 ms',
    'Redis commands/request',
  ];
  return rows.some(({ heldMs }) => heldMs) ? [...head, 'end held ms'] : head;
}

function cellsOf(row: Row): string[] {
  const cells = [
    row.contender,
    spellSpread(row.cpuMicros, 0),
    spellSpread(row.toFloor, 2),
    spellSpread(row.toPeer, 2),
    spellSpread(row.requestsPerSecond, 0),
    spellSpread(row.p99Ms, 1),
    row.commands,
  ];
  return row.heldMs ? [...cells, spellSpread(row.heldMs as Spread, 3)] : cells;
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

function versionOf(name: string): string {
  const file = join(process.cwd(), 'node_modules', name, 'package.json');
  return JSON.parse(readFileSync(file, 'utf8')).version;
}
