/** The account of faults as a table: a line per fault and lane, and what belongs to the fault as a whole in its first line. */
import type { Outcome } from './harness.js';
import { mostSlow } from './promises.js';
import type { Row } from './traffic.js';

const HEAD = [
  'app',
  'fault',
  'traffic',
  'requests',
  'statuses',
  'slowest ms',
  '> 50 ms (limit)',
  'in use again ms',
  'lost writes',
  'logouts',
  'exits',
  'unhandled',
  'stood still',
];

export function tableOf(outcomes: readonly Outcome[]): string {
  return aligned([HEAD, ...outcomes.flatMap(linesOf)]);
}

function linesOf(outcome: Outcome): string[][] {
  const { stage, fault, rows, exits, unhandled, stoodStill } = outcome;
  return rows.map((row, index) => [
    stage,
    fault.name,
    ...cellsOf(row, outcome),
    ...(index === 0 ? [String(exits), String(unhandled), `${Math.round(100 * stoodStill)} %`] : []),
  ]);
}

function cellsOf(row: Row, { fault, backAfterMs }: Outcome): string[] {
  const { lane, requests, statuses, slowestMs, slow } = row;
  const back = backAfterMs.get(lane);
  const lost = (count: number) => (count > 0 && fault.loses ? `${count} (${fault.loses})` : String(count));
  return [
    lane.name,
    String(requests),
    Object.entries(statuses)
      .map(([status, count]) => `${status}: ${count}`)
      .join(', '),
    String(Math.round(slowestMs)),
    lane.slowestMs === undefined ? String(slow) : `${slow} (${mostSlow(row)})`,
    lane.keys === undefined ? '' : back === undefined ? 'never' : String(Math.round(back)),
    lost(lane.losses.writes),
    lost(lane.losses.logouts),
  ];
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const padded = lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column] as number)));
  return padded.map((line) => line.join('  ').trimEnd()).join('\n');
}
