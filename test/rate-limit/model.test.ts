// Any sequence of requests, refunds, resets, clock steps and forgotten scripts: both windows answer what the model says.
//
// `npm run model` tries 1,000 sequences of each kind (RUNS says how many); a plain test run tries 50.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { guardRedis } from '../../lib/core/guard.js';
import { MemoryWindow } from '../../lib/rate-limit/memory-window.js';
import { RedisWindow } from '../../lib/rate-limit/redis-window.js';
import type { Demand, Shape, Verdict } from '../../lib/rate-limit/window.js';
import { connect, type TestClient } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { type Expected, type Hit, ModelWindow } from './model.js';

const RUNS = Number(process.env.RUNS ?? 50);
const KEY = '203.0.113.7';
const REDIS_KEY = `rl:model:{${KEY}}`;
/** No sum of steps is within 3 s of a window or a block, so that the time a sequence really takes does not matter. */
const STEP_MS = 8_000;
const TOLERANCE_MS = 3_000;

const shapes = fc.record({
  windowMs: fc.constant(60_000),
  further: fc.oneof(
    fc.constant([]),
    fc.integer({ min: 1, max: 5 }).map((limit) => [{ windowMs: 21_000, limit }]),
  ),
  blockMs: fc.constantFrom(0, 0, 28_000),
});

type Step =
  | {
      readonly kind: 'take';
      readonly cost: number;
      /** Requests of one client may have limits of their own. */
      readonly more: number;
      readonly record: Demand['record'];
    }
  | { readonly kind: 'refund'; readonly which: number }
  | { readonly kind: 'forget' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'wait'; readonly steps: number };

const takes: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('take' as const),
  cost: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat({ max: 9 }) }),
  more: fc.constantFrom(0, 0, 0, 0, -3, 4),
  record: fc.constantFrom('if-allowed', 'if-allowed', 'if-allowed', 'never', 'always'),
});
const refunds: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('refund' as const), which: fc.nat() });
const others: fc.Arbitrary<Step> = fc.constantFrom({ kind: 'forget' }, { kind: 'flush' });

function sequences(leastSteps: number): fc.Arbitrary<Step[]> {
  const steps = fc.integer({ min: leastSteps, max: 4 });
  const waits: fc.Arbitrary<Step> = fc.record({ kind: fc.constant('wait' as const), steps });
  const step = fc.oneof(
    { weight: 12, arbitrary: takes },
    { weight: 4, arbitrary: refunds },
    { weight: 4, arbitrary: waits },
    { weight: 1, arbitrary: others },
  );
  return fc.array(step, { minLength: 1, maxLength: 60, size: 'max' });
}

/** Moves the clock of the key's hits, which is as good as moving Redis' own. */
const SHIFT = `
local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
redis.call('DEL', KEYS[1])
for i = 1, #entries, 2 do
  local head, time = string.match(entries[i], '^(%a*:?)(%d+)$')
  local moved = time == '0' and time or string.format('%.0f', time - ARGV[1])
  redis.call('ZADD', KEYS[1], entries[i + 1], head .. moved)
end
if #entries > 0 then redis.call('PEXPIRE', KEYS[1], 600000) end`;

interface Taken {
  readonly cost: number;
  readonly hit: Hit;
  readonly redisMark: number;
  readonly memoryMark: number;
  readonly takenAt: number;
}

/** Returns the number of requests judged. */
async function follow(
  client: TestClient,
  redis: RedisWindow,
  shape: Shape,
  limit: number,
  steps: readonly Step[],
  hasMemory: boolean,
): Promise<number> {
  await client.unlink(REDIS_KEY);
  const model = new ModelWindow(shape);
  let reads = 0;
  // No clock reads the same microsecond twice in one process.
  const memory = new MemoryWindow(shape, () => model.clock + ++reads / 500);
  const taken: Taken[] = [];
  let judged = 0;
  for (const step of steps) {
    if (step.kind === 'wait') {
      const shiftMs = step.steps * STEP_MS;
      model.clock += shiftMs;
      await client.eval(SHIFT, { keys: [REDIS_KEY], arguments: [`${shiftMs * 1_000}`] });
    } else if (step.kind === 'flush') {
      await client.scriptFlush();
    } else if (step.kind === 'forget') {
      model.forget();
      memory.forget(KEY);
      await redis.forget(KEY);
    } else if (step.kind === 'take') {
      const demand = { cost: step.cost, limit: Math.max(0, limit + step.more), record: step.record };
      const expected = model.take(demand);
      const verdict = await redis.take(KEY, demand);
      expectSame(verdict, expected);
      const local = memory.take(KEY, demand);
      if (hasMemory) expectSame(local, expected);
      const marks = { redisMark: verdict.mark, memoryMark: local.mark };
      if (expected.hit) taken.push({ cost: step.cost, hit: expected.hit, ...marks, takenAt: model.clock });
      judged += 1;
    } else if (step.kind === 'refund' && taken.length > 0) {
      const which = step.which % taken.length;
      const { hit, cost, redisMark, memoryMark, takenAt } = taken[which] as Taken;
      // While the clock is behind, a mark that was given back is given out again.
      if (!hasMemory) taken.splice(which, 1);
      const expected = model.refund(hit, cost);
      const markNow = redisMark - (model.clock - takenAt) * 1_000;
      expect(await redis.refund(KEY, markNow, cost)).toBe(expected);
      if (hasMemory) expect(memory.refund(KEY, memoryMark, cost)).toBe(expected);
    }
  }
  return judged;
}

function expectSame(verdict: Verdict, { isAllowed, used, which, retryMs, hit }: Expected): void {
  expect(verdict).toMatchObject({ isAllowed, used, which });
  expect(verdict.mark > 0).toBe(hit !== undefined);
  if (!Number.isFinite(retryMs)) expect(verdict.retryMs).toBe(retryMs);
  else expect(Math.abs(verdict.retryMs - retryMs)).toBeLessThan(TOLERANCE_MS);
}

async function tryAll(leastSteps: number, hasMemory: boolean): Promise<void> {
  // SCRIPT FLUSH is for all who use a server.
  const server = await RedisServer.start();
  const client = await connect(server.url);
  const guard = guardRedis(client, { feature: 'model-test', deadlineMs: 10_000 });
  let judged = 0;
  const limits = fc.integer({ min: 0, max: 8 });
  const property = fc.asyncProperty(shapes, limits, sequences(leastSteps), async (shape, limit, steps) => {
    judged += await follow(
      client,
      new RedisWindow(guard, 'rl:model:', shape),
      shape,
      limit,
      steps,
      hasMemory,
    );
  });
  await fc.assert(property, { numRuns: RUNS });
  process.stdout.write(`${RUNS} sequences, ${judged} requests judged as the model does\n`);
}

describe('Any sequence is judged as the model judges it', () => {
  const withinMs = 30_000 + RUNS * 200;

  test('in Redis and in this process, with time that passes', () => tryAll(0, true), withinMs);

  test('in Redis, with a clock that steps back as well', () => tryAll(-12, false), withinMs);
});

test('With `resolution`, any sequence is within the limit, and nothing is rejected that would fit a little later', () => {
  const windowMs = 1_000;
  const hits = fc.array(fc.record({ pauseMs: fc.nat({ max: 300 }), cost: fc.integer({ min: 1, max: 5 }) }), {
    minLength: 1,
    maxLength: 80,
    size: 'max',
  });
  const property = fc.property(hits, fc.integer({ min: 1, max: 50 }), (requests, resolution) => {
    let now = 5_000;
    const window = new MemoryWindow({ windowMs, resolution }, () => now);
    const accepted: { at: number; cost: number }[] = [];
    const liveIn = (spanMs: number) =>
      accepted.filter(({ at }) => at > now - spanMs).reduce((sum, { cost }) => sum + cost, 0);
    for (const { pauseMs, cost } of requests) {
      now += pauseMs;
      const { isAllowed, retryMs } = window.take(KEY, { cost, limit: 10, record: 'if-allowed' });
      if (isAllowed) {
        accepted.push({ at: now, cost });
        expect(liveIn(windowMs)).toBeLessThanOrEqual(10);
      } else {
        expect(liveIn(windowMs * (1 + 1 / resolution)) + cost).toBeGreaterThan(10);
        expect(retryMs).toBeGreaterThan(0);
      }
    }
  });
  fc.assert(property, { numRuns: RUNS });
});
