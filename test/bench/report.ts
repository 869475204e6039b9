/** Tables and targets for people. */

import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import type { Outcome, Row, Verdict } from './plan.js';
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
  return `${date}\n${machine}\n${spelled.join(', ')}\n\nFigures are medians, in brackets the middle half of the rounds; ratios are of the same rounds.\n`;
}

/** Of tables that are about Redis' own time. */
export function spellMachine({ date, machine, versions }: Circumstances): string {
  return `${date}\n${machine}, node ${versions.node}, redisServer ${versions.redisServer}\n`;
}

/** How headings and tables are written. */
export interface Style {
  heading(text: string): string;
  table(rows: readonly (readonly string[])[]): string;
}

export const plain: Style = { heading: (text) => `\n${text}\n`, table: tableOf };

/** As docs/benchmarks.md holds it. */
export const markdown: Style = {
  heading: (text) => `\n### ${text}\n\n`,
  table([head = [], ...rows]) {
    const columns = Math.max(head.length, ...rows.map((row) => row.length));
    const full = (row: readonly string[]) => [...row, ...Array<string>(columns - row.length).fill('')];
    const line = (row: readonly string[]) => `| ${full(row).join(' | ')} |`;
    return [line(head), `|${'---|'.repeat(columns)}`, ...rows.map(line)].join('\n');
  },
};

export function spellOutcome({ result, verdicts }: Outcome, { heading, table }: Style): string {
  const scenarios = Object.entries(result.scenarios).map(
    ([name, rows]) =>
      `${heading(`${result.bench}: ${name}`)}${table([headOf(rows), ...rows.map(cellsOf)])}\n`,
  );
  const extras = result.extras.map(
    ({ title, rows }) => `${heading(`${result.bench}: ${title}`)}${table(rows)}\n`,
  );
  const targets = `${heading(`${result.bench}: targets`)}${table(rowsOfVerdicts(verdicts))}\n`;
  return [`\n${result.about}\n`, ...scenarios, ...extras, verdicts.length === 0 ? '' : targets].join('');
}

function rowsOfVerdicts(verdicts: readonly Verdict[]): string[][] {
  const words = { true: 'met', false: 'MISSED', undefined: 'not measured' };
  const rows = verdicts.map(({ target, measured, isMet, note = '' }) => [
    words[String(isMet) as keyof typeof words],
    target,
    measured,
    note,
  ]);
  const head = ['', 'target', 'measured', ''];
  return [head, ...rows];
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
