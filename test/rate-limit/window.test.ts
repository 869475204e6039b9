// One contract for both windows: the one in Redis and the one in this process.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { guardRedis } from '../../lib/core/guard.js';
import { spellId } from '../../lib/core/keys.js';
import { MemoryWindow } from '../../lib/rate-limit/memory-window.js';
import { RedisWindow } from '../../lib/rate-limit/redis-window.js';
import type { Demand, Shape, Verdict, Window } from '../../lib/rate-limit/window.js';
import { onTestEnd } from '../support/cleanup.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';

const KEY = '203.0.113.7';

const windows: Record<string, (windowMs: number, shape?: Partial<Shape>) => Promise<Window>> = {
  'in Redis': async (windowMs, shape = {}) => {
    const guard = guardRedis(await connect(), { feature: 'window-test', deadlineMs: 5_000 });
    return new RedisWindow(guard, `${uniqueNamespace()}:rl:w:`, { windowMs, ...shape });
  },
  'in Redis, through ioredis': async (windowMs, shape = {}) => {
    const client = new Redis(sharedRedisUrl(), { lazyConnect: true });
    onTestEnd(() => client.disconnect());
    await client.connect();
    const guard = guardRedis(client, { feature: 'window-test', deadlineMs: 5_000 });
    return new RedisWindow(guard, `${uniqueNamespace()}:rl:w:`, { windowMs, ...shape });
  },
  'in this process': async (windowMs, shape = {}) => new MemoryWindow({ windowMs, ...shape }),
};

function hit(limit: number, cost = 1): Demand {
  return { limit, cost, record: 'if-allowed' };
}

function look(limit: number, cost = 1): Demand {
  return { limit, cost, record: 'never' };
}

describe.each(Object.entries(windows))('The window %s', (_place, open) => {
  test('allows as many as the limit, and tells how many are used', async () => {
    const window = await open(60_000);
    for (const used of [1, 2, 3]) {
      expect(await window.take(KEY, hit(3))).toMatchObject({ isAllowed: true, used, retryMs: 0 });
    }
    expect(await window.take(KEY, hit(3))).toMatchObject({ isAllowed: false, used: 3, mark: 0 });
  });

  test('resets when the oldest hit leaves, and says exactly when the next fits', async () => {
    const window = await open(60_000);
    const first = await window.take(KEY, hit(2));
    await sleep(30);
    const second = await window.take(KEY, hit(2));
    const denied = await window.take(KEY, hit(2));
    expect(first.resetMs).toBe(60_000);
    expect(second.resetMs).toBeLessThanOrEqual(60_000 - 25);
    expect(denied.retryMs).toBe(denied.resetMs);
    const forBoth = await window.take(KEY, hit(2, 2));
    expect(forBoth.retryMs - (forBoth.resetMs ?? 0)).toBeGreaterThanOrEqual(25);
  });

  test('lets a client in at the moment it named, and not before', async () => {
    const window = await open(700);
    await window.take(KEY, hit(1));
    const { retryMs } = await window.take(KEY, hit(1));
    await sleep(retryMs / 2);
    expect(await window.take(KEY, hit(1))).toMatchObject({ isAllowed: false });
    await sleep(retryMs / 2 + 2);
    expect(await window.take(KEY, hit(1))).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('does not record rejected requests: who keeps trying is let in when the first hit leaves', async () => {
    const window = await open(300);
    await window.take(KEY, hit(1));
    for (let tries = 0; tries < 10; tries += 1) await window.take(KEY, hit(1));
    await sleep(310);
    expect(await window.take(KEY, hit(1))).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('records rejected requests when told to: who keeps trying is kept out', async () => {
    const window = await open(900);
    const always: Demand = { limit: 2, cost: 1, record: 'always' };
    await window.take(KEY, always);
    await window.take(KEY, always);
    await sleep(600);
    expect(await window.take(KEY, always)).toMatchObject({ isAllowed: false, used: 3 });
    expect(await window.take(KEY, always)).toMatchObject({ isAllowed: false, used: 3 });
    await sleep(450);
    expect(await window.take(KEY, always)).toMatchObject({ isAllowed: false });
    await sleep(920);
    expect(await window.take(KEY, always)).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('keeps what was accepted under a greater limit when a rejection under a smaller one is recorded', async () => {
    const window = await open(60_000);
    const always = (limit: number): Demand => ({ limit, cost: 1, record: 'always' });
    for (let hits = 0; hits < 9; hits += 1) await window.take(KEY, always(10));
    for (let tries = 0; tries < 3; tries += 1)
      expect(await window.take(KEY, always(2))).toMatchObject({ isAllowed: false, used: 10 });
    expect(await window.take(KEY, always(10))).toMatchObject({ isAllowed: true, used: 10 });
    expect(await window.take(KEY, always(10))).toMatchObject({ isAllowed: false, used: 11 });
  });

  test('takes the whole cost or nothing', async () => {
    const window = await open(60_000);
    expect(await window.take(KEY, hit(10, 7))).toMatchObject({ isAllowed: true, used: 7 });
    expect(await window.take(KEY, hit(10, 4))).toMatchObject({ isAllowed: false, used: 7 });
    expect(await window.take(KEY, hit(10, 3))).toMatchObject({ isAllowed: true, used: 10 });
  });

  test('never fits a cost above the limit, and is not worn out by it', async () => {
    const window = await open(60_000);
    expect(await window.take(KEY, hit(5, 6))).toMatchObject({ isAllowed: false, used: 0, retryMs: Infinity });
    expect(await window.take(KEY, hit(5, 5))).toMatchObject({ isAllowed: true, used: 5 });
  });

  test('takes a cost of thousands', async () => {
    const window = await open(60_000);
    const { mark, used } = await window.take(KEY, hit(5_000, 2_500));
    expect(used).toBe(2_500);
    expect(await window.take(KEY, hit(5_000, 2_500))).toMatchObject({ isAllowed: true, used: 5_000 });
    expect(await window.refund(KEY, mark, 2_500)).toBe(true);
    expect(await window.take(KEY, look(5_000))).toMatchObject({ used: 2_500 });
  });

  test('lets a cost of nothing pass without a trace', async () => {
    const window = await open(60_000);
    expect(await window.take(KEY, hit(1, 0))).toMatchObject({ isAllowed: true, used: 0, mark: 0 });
  });

  test('rejects everything under a limit of 0', async () => {
    const window = await open(60_000);
    expect(await window.take(KEY, hit(0))).toMatchObject({ isAllowed: false, used: 0, resetMs: 60_000 });
    expect(await window.take(KEY, { limit: 0, cost: 1, record: 'always' })).toMatchObject({
      isAllowed: false,
    });
  });

  test('looks without taking', async () => {
    const window = await open(60_000);
    expect(await window.take(KEY, look(1))).toMatchObject({ isAllowed: true, used: 0, mark: 0 });
    await window.take(KEY, hit(1));
    expect(await window.take(KEY, look(1))).toMatchObject({ isAllowed: false, used: 1 });
  });

  test('refunds exactly what one request took, once', async () => {
    const window = await open(60_000);
    const marks: number[] = [];
    for (let hits = 0; hits < 3; hits += 1) marks.push((await window.take(KEY, hit(9, 3))).mark);
    expect(new Set(marks).size).toBe(3);
    const [, middle = 0] = marks;
    expect(await window.refund(KEY, middle, 3)).toBe(true);
    expect(await window.refund(KEY, middle, 3)).toBe(false);
    expect(await window.take(KEY, look(9))).toMatchObject({ used: 6 });
  });

  test('refunds nothing that has left the window, and nobody else’s hit', async () => {
    const window = await open(400);
    const { mark } = await window.take(KEY, hit(2));
    await sleep(410);
    await window.take(KEY, hit(2));
    expect(await window.refund(KEY, mark, 1)).toBe(false);
    expect(await window.take(KEY, look(2))).toMatchObject({ used: 1 });
  });

  test('refunds exactly among hundreds, wherever the request stands', async () => {
    const window = await open(60_000);
    const marks: number[] = [];
    for (let hits = 0; hits < 400; hits += 1) {
      if (hits === 4) await sleep(20);
      marks.push((await window.take(KEY, hit(2_000, 3))).mark);
    }
    let used = 1_200;
    for (const [index, units] of [0, 1, 5, 100, 260, 398, 399].map((at): [number, number] => [at, 2])) {
      expect(await window.refund(KEY, marks[index] as number, units)).toBe(true);
      expect(await window.refund(KEY, marks[index] as number, 9)).toBe(true);
      expect(await window.refund(KEY, marks[index] as number, 9)).toBe(false);
      used -= 3;
      expect(await window.take(KEY, look(2_000))).toMatchObject({ used });
    }
    // The two that are left of the first four, then one of the others.
    const looks = [1, 7].map((cost) => window.take(KEY, look(used, cost)));
    const [first, third] = (await Promise.all(looks)) as [Verdict, Verdict];
    expect(third.retryMs).toBeGreaterThan(first.retryMs);
    expect(await window.take(KEY, hit(used, 1))).toMatchObject({ isAllowed: false, used });
    expect(await window.take(KEY, hit(used + 1, 1))).toMatchObject({ isAllowed: true, used: used + 1 });
  });

  test('counts exactly however long a key is busy, with the greatest costs', async () => {
    const windowMs = 90;
    const window = await open(windowMs);
    const accepted: number[] = [];
    const until = performance.now() + 4_000;
    while (accepted.length < 30 && performance.now() < until) {
      const { isAllowed, mark, used } = await window.take(KEY, hit(1e14, 5e13));
      if (isAllowed) accepted.push(mark);
      else expect(used).toBe(1e14);
      await sleep(accepted.length < 2 ? 30 : 2);
    }
    expect(mostInAnyWindow(accepted, windowMs * 1_000)).toBe(2);
    // Twenty of them are 1e15.
    expect(accepted.length).toBeGreaterThan(22);
  });

  test('refunds nothing of a key it does not know', async () => {
    const window = await open(100);
    expect(await window.refund('nobody', 12345, 1)).toBe(false);
  });

  test('forgets a key', async () => {
    const window = await open(60_000);
    await window.take(KEY, hit(1));
    await window.forget(KEY);
    expect(await window.take(KEY, hit(1))).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('keeps keys apart, hostile ones too', async () => {
    const window = await open(60_000);
    const keys = ['a', 'a}', '{a', 'a\r\n', '', 'ä', '*', 'x'.repeat(5_000), `${'x'.repeat(5_000)}y`];
    for (const isAllowed of [true, false])
      for (const key of keys) expect(await window.take(spellId(key), hit(1))).toMatchObject({ isAllowed });
  });

  test('takes a request into several windows, in all or none, and tells of the tightest', async () => {
    const window = await open(60_000, { further: [{ windowMs: 800, limit: 2 }] });
    expect(await window.take(KEY, hit(4))).toMatchObject({
      isAllowed: true,
      used: 1,
      which: 1,
      resetMs: 800,
    });
    await window.take(KEY, hit(4));
    const denied = await window.take(KEY, hit(4));
    expect(denied).toMatchObject({ isAllowed: false, used: 2, which: 1, mark: 0 });
    expect(denied.retryMs).toBeLessThanOrEqual(800);
    await sleep(810);
    expect(await window.take(KEY, look(4))).toMatchObject({ used: 2, which: 0 });
    expect(await window.take(KEY, hit(4, 2))).toMatchObject({ isAllowed: true, used: 4, which: 0 });
    const full = await window.take(KEY, hit(4));
    expect(full).toMatchObject({ isAllowed: false, used: 4, which: 0 });
    expect(full.retryMs).toBeGreaterThan(50_000);
    expect(await window.take(KEY, hit(4, 3))).toMatchObject({
      isAllowed: false,
      retryMs: Infinity,
      which: 1,
    });
  });

  test('keeps hits that come together in one entry, for no less than the window', async () => {
    const windowMs = 1_000;
    const window = await open(windowMs, { resolution: 10 });
    const startedAt = performance.now();
    const { mark } = await window.take(KEY, hit(50, 5));
    for (let hits = 0; hits < 20; hits += 1) await window.take(KEY, hit(50));
    expect(await window.take(KEY, look(50))).toMatchObject({ used: 25 });
    expect(await window.refund(KEY, mark, 5)).toBe(true);
    expect(await window.take(KEY, look(50))).toMatchObject({ used: 20 });
    const { retryMs, isAllowed } = await window.take(KEY, hit(50, 50));
    expect(isAllowed).toBe(false);
    const elapsedMs = performance.now() - startedAt;
    expect(retryMs + elapsedMs).toBeGreaterThanOrEqual(windowMs - 1);
    expect(retryMs).toBeLessThanOrEqual(windowMs + windowMs / 10);
    await sleep(retryMs + 2);
    expect(await window.take(KEY, hit(50, 50))).toMatchObject({ isAllowed: true, used: 50 });
  });

  test('shuts a key after a rejection, for that long and no longer', async () => {
    const window = await open(400, { blockMs: 1_200 });
    await window.take(KEY, hit(1));
    expect(await window.take(KEY, look(1))).toMatchObject({ isAllowed: false });
    const denied = await window.take(KEY, hit(1));
    expect(denied).toMatchObject({ isAllowed: false, used: 1, mark: 0 });
    expect(denied.retryMs).toBe(1_200);
    await sleep(600);
    const again = await window.take(KEY, hit(1));
    expect(again).toMatchObject({ isAllowed: false, used: 0 });
    expect(again.retryMs).toBeLessThan(601);
    expect(await window.take(KEY, look(1))).toMatchObject({ isAllowed: false });
    await sleep(again.retryMs + 2);
    expect(await window.take(KEY, hit(1))).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('gives back in a key that is shut, which stays shut until it is forgotten', async () => {
    const window = await open(60_000, { blockMs: 60_000 });
    const { mark } = await window.take(KEY, hit(2, 2));
    await window.take(KEY, hit(2));
    expect(await window.refund(KEY, mark, 2)).toBe(true);
    expect(await window.take(KEY, hit(2))).toMatchObject({ isAllowed: false, used: 0 });
    await window.forget(KEY);
    expect(await window.take(KEY, hit(2))).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('gives back what a rejection that counts took, and what it pushed out stays out', async () => {
    const window = await open(60_000);
    const always: Demand = { limit: 3, cost: 2, record: 'always' };
    const marks: number[] = [];
    for (let hits = 0; hits < 3; hits += 1) marks.push((await window.take(KEY, always)).mark);
    expect(await window.take(KEY, look(3))).toMatchObject({ used: 3 });
    expect(await window.refund(KEY, marks[2] as number, 2)).toBe(true);
    expect(await window.take(KEY, look(3))).toMatchObject({ used: 1 });
    expect(await window.refund(KEY, marks[1] as number, 2)).toBe(true);
    expect(await window.refund(KEY, marks[0] as number, 2)).toBe(false);
    expect(await window.take(KEY, hit(3, 3))).toMatchObject({ isAllowed: true, used: 3 });
  });

  test('shuts a key that asks for more than the limit, too', async () => {
    const window = await open(60_000, { blockMs: 60_000 });
    expect(await window.take(KEY, hit(2, 3))).toMatchObject({ isAllowed: false, retryMs: Infinity });
    const denied = await window.take(KEY, hit(2));
    expect(denied.isAllowed).toBe(false);
    expect(denied.retryMs).toBeLessThanOrEqual(60_000);
  });

  test('admits no double share around the end of a window', async () => {
    const window = await open(400);
    const accepted: number[] = [];
    const take = async (count: number) => {
      for (let hits = 0; hits < count; hits += 1) {
        const { isAllowed, used, mark } = await window.take(KEY, hit(10));
        if (isAllowed) accepted.push(mark);
        else expect(used).toBe(10);
      }
    };
    await take(2);
    await sleep(330);
    await take(20);
    await sleep(90);
    await take(20);
    expect(mostInAnyWindow(accepted, 400_000)).toBe(10);
    expect(accepted.length).toBeGreaterThan(10);
  });

  test('admits no more than the limit in any window, and rejects only when it is full', async () => {
    const windowMs = 120;
    const limit = 10;
    const window = await open(windowMs);
    const accepted: number[] = [];
    const until = performance.now() + 900;
    while (performance.now() < until) {
      const burst = Array.from({ length: randomInt(1, 8) }, () => window.take(KEY, hit(limit)));
      for (const { isAllowed, used, mark } of await Promise.all(burst)) {
        if (isAllowed) accepted.push(mark);
        else expect(used).toBe(limit);
      }
      await sleep(randomInt(0, 12));
    }
    expect(accepted.length).toBeGreaterThan(4 * limit);
    expect(mostInAnyWindow(accepted, windowMs * 1000)).toBe(limit);
  });
});

describe('The window in this process', () => {
  test('lets no hit leave early because a great cost ran ahead of the clock', () => {
    let now = 0;
    const window = new MemoryWindow({ windowMs: 20 }, () => now);
    expect(window.take(KEY, hit(60_000, 50_000))).toMatchObject({ isAllowed: true });
    now = 19;
    expect(window.take(KEY, hit(60_000, 50_000))).toMatchObject({ isAllowed: false, used: 50_000 });
  });

  test('takes hardly longer for a rejection that counts when there are many', () => {
    const rejectionsMs = (limit: number) => {
      const window = new MemoryWindow({ windowMs: 60_000 });
      const always: Demand = { limit, cost: 1, record: 'always' };
      for (let hits = 0; hits < limit; hits += 1) window.take(KEY, always);
      const startedAt = performance.now();
      for (let hits = 0; hits < 4_000; hits += 1) window.take(KEY, always);
      expect(window.take(KEY, always)).toMatchObject({ isAllowed: false, used: limit + 1 });
      return performance.now() - startedAt;
    };
    rejectionsMs(100);
    expect(rejectionsMs(200_000)).toBeLessThan(10 * rejectionsMs(100) + 100);
  });

  test('forgets keys whose hits have left', () => {
    let now = 0;
    const window = new MemoryWindow({ windowMs: 1_000 }, () => now);
    for (let client = 0; client < 1_000; client += 1) window.take(`${client}`, hit(5));
    expect(window.size).toBe(1_000);
    now = 1_002;
    for (let client = 0; client < 600; client += 1) window.take('one', hit(5));
    expect(window.size).toBe(1);
  });

  test('forgets them behind a key that is shut, too, and that one when it is over', () => {
    let now = 0;
    const window = new MemoryWindow({ windowMs: 1_000, blockMs: 30_000 }, () => now);
    window.take('bad', hit(0));
    for (let client = 0; client < 1_000; client += 1) window.take(`${client}`, hit(5));
    now = 1_002;
    for (let hits = 0; hits < 600; hits += 1) window.take('one', hit(1_000));
    expect(window.size).toBe(2);
    expect(window.take('bad', hit(5))).toMatchObject({ isAllowed: false, retryMs: 28_998 });
    now = 30_001;
    window.take('one', hit(1_000));
    expect(window.size).toBe(1);
    expect(window.take('bad', hit(5))).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('keeps a client shut that floods it with identities', () => {
    const window = new MemoryWindow({ windowMs: 60_000, blockMs: 60_000 }, () => 0);
    window.take('bad', hit(0));
    for (let client = 0; client < 250_100; client += 1) window.take(`${client}`, hit(5));
    expect(window.size).toBeLessThanOrEqual(250_001);
    expect(window.take('bad', hit(5))).toMatchObject({ isAllowed: false });
  });
});

function mostInAnyWindow(times: readonly number[], windowMicros: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return Math.max(
    ...sorted.map((time) => sorted.filter((other) => other > time - windowMicros && other <= time).length),
  );
}
