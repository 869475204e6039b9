/** `npm run faults`: every fault in full, as a table, held to the promises of docs/operations.md. */
import { expect, test } from '@jest/globals';
import { guardRedis } from '../../lib/core/guard.js';
import { onTestEnd } from '../support/cleanup.js';
import { connect } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
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
      const mustAnswer =
        row.feature !== 'session' || fault.name.includes('healthy') || fault.name.includes('FLUSH');
      if (mustAnswer) expect(Object.keys(row.statuses)).toEqual(['200']);
      else expect(['200', '200,503', '503']).toContain(Object.keys(row.statuses).join());
    }
  },
  FAULT_WITHIN_MS,
);

test('with the breaker open a call fails within 2 ms and Redis is sent nothing', async () => {
  const server = await RedisServer.start();
  onTestEnd(() => server.stop());
  const client = await connect(server.url);
  const guard = guardRedis(client, { feature: 'faults', deadlineMs: 100 });
  const call = () => guard.run((redis) => redis.get('key')).catch(() => {});
  await call();
  server.freeze();
  await Promise.all([call(), call(), call()]);

  const durationsMs: number[] = [];
  for (let time = 0; time < 10_000; time += 1) {
    const sentAt = performance.now();
    await call();
    durationsMs.push(performance.now() - sentAt);
  }
  server.thaw();
  const asked = Number(/cmdstat_get:calls=(\d+)/.exec(await client.info('commandstats'))?.[1]);
  durationsMs.sort((a, b) => a - b);
  const [median, p99, worst] = [0.5, 0.99, 1].map(
    (part) => durationsMs[Math.ceil(10_000 * part) - 1] as number,
  );
  process.stdout.write(
    `breaker open, 10,000 calls: median ${median?.toFixed(3)} ms, p99 ${p99?.toFixed(3)} ms, worst ${worst?.toFixed(3)} ms; GETs that Redis saw: ${asked} (1 before, 3 at the freeze)\n`,
  );
  expect(p99).toBeLessThanOrEqual(2);
  expect(asked).toBe(4);
});

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
