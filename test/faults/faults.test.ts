/** The short form of `npm run faults`: the same faults for a second or two, and room for a busy machine. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openGate } from '../demo-app/gate.js';
import { openShop, type Shop } from '../demo-app/support.js';
import { faults, flushed, frozenFor, killedFor, plainClientFaults } from './faults.js';
import { type Fault, type StartStage, tryFault } from './harness.js';
import { postgresAway } from './postgres-faults.js';
import { brokenPromises } from './promises.js';
import { startShop } from './shop.js';
import { startSmallApp } from './stage.js';

/** The peers hang for as long as the fault lasts, or for five seconds. */
const NO_HANG_MS = 1_500;
const SECONDS = { absent: 1, frozen: 2, down: 0.5 };

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
});
afterAll(() => shop.close());

async function hold(startStage: StartStage, fault: Fault): Promise<void> {
  const outcome = await tryFault(startStage, fault);
  expect(brokenPromises(outcome)).toEqual([]);
  if (fault.isOfPostgres) return;
  const hanging = outcome.rows.filter(({ lane, slowestMs }) => lane.slowestMs && slowestMs > NO_HANG_MS);
  expect(hanging.map(({ lane, slowestMs }) => [lane.name, slowestMs])).toEqual([]);
}

describe('a small app', () => {
  test.each([...faults(SECONDS), ...plainClientFaults(SECONDS)])(
    '$name',
    (fault) => hold(startSmallApp, fault),
    60_000,
  );
});

describe('the demo', () => {
  test.each([killedFor(1), frozenFor(2), flushed(5)])(
    '$name',
    (fault) => hold((settings) => startShop(shop, settings), fault),
    60_000,
  );

  test('a Postgres that is away', async () => {
    const gate = await openGate(shop.url);
    await hold((settings) => startShop({ ...shop, url: gate.url }, settings), postgresAway(gate, 1));
  }, 60_000);
});
