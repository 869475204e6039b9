/** `npm run faults`: every fault in full, as a table, held to the promises of docs/operations.md. */
import { expect, test } from '@jest/globals';
import { faults } from './faults.js';
import { DEADLINE_MS, type Outcome, tableOf, tryFault } from './harness.js';

const FAULT_WITHIN_MS = 120_000;
const IN_USE_AGAIN_MS = 1_000;
const outcomes: Outcome[] = [];

test.each(faults({ absent: Number(process.env.ABSENT_SECONDS ?? 10), frozen: 5, down: 3 }))(
  '$name',
  async (fault) => {
    const outcome = await tryFault(fault);
    outcomes.push(outcome);
    process.stdout.write(`${tableOf([outcome])}\n\n`);
    expect(outcome).toMatchObject({ exits: 0, unhandled: 0 });
    for (const row of outcome.rows) {
      expect(row.requests).toBeGreaterThan(10);
      if (row.feature !== 'session') expect(Object.keys(row.statuses)).toEqual(['200']);
      else expect(['200', '200,503', '503']).toContain(Object.keys(row.statuses).join());
    }
  },
  FAULT_WITHIN_MS,
);

test('the table', () => {
  process.stdout.write(`${tableOf(outcomes)}\n`);
  const late = outcomes.flatMap(({ fault, rows }) =>
    rows
      .filter(({ feature, slowestMs }) => !fault.includes('blocked') && slowestMs > 2 * DEADLINE_MS[feature])
      .map((row) => [fault, row]),
  );
  expect(late).toEqual([]);
  const lost = outcomes.flatMap(({ fault, rows }) =>
    rows
      .filter(
        ({ backAfterMs = Number.POSITIVE_INFINITY }) =>
          backAfterMs > IN_USE_AGAIN_MS && !fault.includes('plain'),
      )
      .map((row) => [fault, row]),
  );
  expect(lost).toEqual([]);
});
