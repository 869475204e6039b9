// What the limiter leaves in Redis, and what it makes of things that others left there.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';

async function limited(windowMs = 60_000) {
  const client = await connect();
  const namespace = uniqueNamespace();
  const limiter = rateLimit({ client, namespace, name: 'api', limit: 3, windowMs, deadlineMs: 5_000 });
  return { client, limiter, namespace, key: `${namespace}:rl:api:{me}` };
}

async function keysOf(client: TestClient, namespace: string): Promise<string[]> {
  const found: string[] = [];
  for await (const page of client.scanIterator({ MATCH: `*${namespace}*`, COUNT: 1_000 }))
    found.push(...page);
  return found.sort();
}

/** Entries of one unit each: the member is the microsecond, the score the running count. */
function hitsAt(...times: number[]): { score: number; value: string }[] {
  return times.map((time, index) => ({ score: index + 1, value: `${time}` }));
}

describe('In Redis, the limiter', () => {
  test('spells its keys namespace:rl:<name>:{<client>}, the name being the policy unless given', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const options = { client, deadlineMs: 5_000 };
    await rateLimit({ ...options, namespace }).consume('203.0.113.7');
    await rateLimit({ ...options, namespace, name: 'login' }).consume('2001:db8::/56');
    await rateLimit({ ...options, namespace, limit: 100, windowMs: 7_200_000 }).consume('a b');
    await rateLimit({ ...options, name: namespace }).consume('no-namespace');
    const limits = [3, 20].map((limit) => ({ windowMs: limit * 1_000, limit }));
    await rateLimit({ ...options, namespace, limits }).consume('several');
    const more = [10_000, 20_000, 30_000].map((limit) => ({ windowMs: limit * 1_000, limit }));
    await rateLimit({ ...options, namespace, limits: more }).consume('many');
    const keys = await keysOf(client, namespace);
    expect(keys).toEqual([
      `rl:${namespace}:{no-namespace}`,
      expect.stringMatching(/:rl:100-in-2hrs:\{a_b![\w-]{43}\}$/),
      `${namespace}:rl:20-in-20sec+3-in-3sec:{several}`,
      `${namespace}:rl:5-in-1min:{203.0.113.7}`,
      `${namespace}:rl:login:{2001:db8::/56}`,
      expect.stringMatching(/:rl:several-[\w-]{10}:\{many\}$/),
    ]);
    for (const key of keys) expect(await client.pTTL(key)).toBeGreaterThan(0);
  });

  test('gives each key a TTL, however long its window and its blocks', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const forever = Number.MAX_SAFE_INTEGER;
    const options = { windowMs: forever, blockMs: forever, limit: 1, name: 'ever' };
    const limiter = rateLimit({ client, namespace, deadlineMs: forever, ...options });
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, source: 'redis' });
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: false, source: 'redis', used: 1 });
    expect(await client.pTTL(`${namespace}:rl:ever:{me}`)).toBeGreaterThan(forever);
  });

  test('gives each key a TTL that outlives its hits, and not for long', async () => {
    const { client, limiter, key } = await limited(200);
    for (let hits = 0; hits < 12; hits += 1) {
      const askedAt = performance.now();
      await limiter.consume('me');
      const ttl = await client.pTTL(key);
      // A window and the second that is added to it, less what it took to look.
      expect(ttl + performance.now() - askedAt).toBeGreaterThanOrEqual(1_199);
      expect(ttl).toBeLessThanOrEqual(1_400);
      await sleep(35);
    }
  });

  test('keeps a great cost in one entry, and 10,000 hits in 4 KB with `resolution`', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const options = { client, namespace, name: 'big', limit: 10_000, deadlineMs: 5_000 };
    await rateLimit(options).consume('costly', 9_000);
    expect(await client.zCard(`${namespace}:rl:big:{costly}`)).toBe(1);
    const limiter = rateLimit({ ...options, name: 'bigger', windowMs: 2_000, resolution: 100 });
    const until = performance.now() + 1_950;
    for (let hits = 0; hits < 10_000 && performance.now() < until; hits += 10) {
      await limiter.consume('me', 10);
      await sleep(1);
    }
    const key = `${namespace}:rl:bigger:{me}`;
    expect(await client.zCard(key)).toBeGreaterThan(50);
    expect(await client.zCard(key)).toBeLessThanOrEqual(102);
    expect(await client.memoryUsage(key)).toBeLessThanOrEqual(4_000);
  });

  test('keeps 100 hits in a listpack of at most 2.2 KB', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const limiter = rateLimit({ client, namespace, limit: 100, deadlineMs: 5_000 });
    for (let hits = 0; hits < 100; hits += 1) await limiter.consume('203.0.113.7');
    const key = `${namespace}:rl:100-in-1min:{203.0.113.7}`;
    expect(await client.zCard(key)).toBe(100);
    expect(await client.sendCommand(['OBJECT', 'ENCODING', key])).toMatch(/listpack|ziplist/);
    expect(await client.memoryUsage(key)).toBeLessThanOrEqual(2_200);
  });

  test.each<[string, (client: TestClient, key: string) => Promise<unknown>]>([
    ['a string', (client, key) => client.set(key, 'x')],
    ['a list', (client, key) => client.rPush(key, ['x'])],
    ['a hash', (client, key) => client.hSet(key, 'x', 'y')],
    ['a sorted set of names', (client, key) => client.zAdd(key, [{ score: 1, value: 'x' }])],
    ['an endless score', (client, key) => client.zAdd(key, [{ score: Infinity, value: 'inf' }])],
    ['a number that is none', (client, key) => client.zAdd(key, [{ score: 1, value: 'nan' }])],
    ['a running count of nothing', (client, key) => client.zAdd(key, [{ score: 0, value: '1' }])],
    ['times as scores', (client, key) => client.zAdd(key, [{ score: 1.7e15, value: '1700000000000000' }])],
    [
      'a newest member that is no time',
      (client, key) =>
        client.zAdd(key, [
          { score: 1, value: '1' },
          { score: 2, value: 'x' },
        ]),
    ],
    [
      'members that go back in time',
      (client, key) =>
        client.zAdd(key, [
          { score: 1, value: `${Date.now()}001` },
          { score: 2, value: `${Date.now() - 1}000` },
        ]),
    ],
    [
      'several endless scores',
      (client, key) =>
        client.zAdd(key, [
          { score: Infinity, value: 'one' },
          { score: Infinity, value: 'other' },
        ]),
    ],
  ])('drops %s under its key, and goes on', async (_kind, tamper) => {
    const { client, limiter, key } = await limited();
    await tamper(client, key);
    const decisions = [];
    for (let hits = 0; hits < 4; hits += 1) decisions.push(await limiter.consume('me'));
    expect(decisions.map(({ isAllowed }) => isAllowed)).toEqual([true, true, true, false]);
    expect(decisions.map(({ source }) => source)).toEqual(['redis', 'redis', 'redis', 'redis']);
    expect(await client.pTTL(key)).toBeGreaterThan(60_000);
  });

  test('loses nothing when Redis’ clock goes back, and is never over the limit', async () => {
    const { client, limiter, key } = await limited();
    const ahead = (Date.now() + 30_000) * 1_000;
    await client.zAdd(key, hitsAt(ahead, ahead + 1));
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, used: 3 });
    const denied = await limiter.consume('me');
    expect(denied.isAllowed).toBe(false);
    expect(denied.retryAfterMs).toBeGreaterThan(85_000);
    expect(denied.retryAfterMs).toBeLessThanOrEqual(90_000);
    const times = (await client.zRange(key, 0, -1)).map(Number);
    expect(times).toEqual([ahead, ahead + 1, ahead + 2]);
  });

  test('lets no hit leave before its time when the newest is ahead of the clock', async () => {
    const { client, limiter, key } = await limited();
    const now = Date.now() * 1_000;
    await client.zAdd(key, hitsAt(now - 50_000_000, now + 20_000_000, now + 20_000_001));
    const denied = await limiter.consume('me');
    expect(denied).toMatchObject({ isAllowed: false, used: 3 });
    expect(denied.retryAfterMs).toBeGreaterThan(9_000);
    expect(denied.retryAfterMs).toBeLessThanOrEqual(10_000);
  });

  test('makes nobody wait for the clock to catch up when it went back by hours', async () => {
    const { client, limiter, key } = await limited();
    const ahead = (Date.now() + 7_200_000) * 1_000;
    await client.zAdd(key, hitsAt(ahead, ahead + 50_000));
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, used: 3 });
    const denied = await limiter.consume('me');
    expect(denied.isAllowed).toBe(false);
    expect(denied.retryAfterMs).toBeGreaterThan(55_000);
    expect(denied.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(await client.pTTL(key)).toBeGreaterThan(60_000);
  });

  test('starts its running count again before it is too long for a score', async () => {
    const { client, limiter, key } = await limited();
    const now = Date.now() * 1_000;
    const counts = [9e14, 9e14 + 1, 9e14 + 2];
    const times = ['0', `${now - 20_000_000}`, `${now - 10_000_000}`];
    await client.zAdd(
      key,
      counts.map((score, index) => ({ score, value: times[index] as string })),
    );
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, used: 3 });
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: false, used: 3 });
    const entries = await client.zRangeWithScores(key, 0, -1);
    expect(entries.map(({ score }) => score)).toEqual([0, 1, 2, 3]);
    expect(await client.pTTL(key)).toBeGreaterThan(60_000);
  });

  test('lets in whom an earlier version of it has shut out, when `blockMs` is gone or less', async () => {
    const client = await connect();
    const options = { client, namespace: uniqueNamespace(), name: 'api', limit: 1, deadlineMs: 5_000 };
    const [before, less, without] = [3_600_000, 30_000, 0].map((blockMs) =>
      rateLimit({ ...options, blockMs }),
    );
    for (let tries = 0; tries < 2; tries += 1) await before?.consume('me', 2);
    const denied = await less?.consume('me');
    expect(denied).toMatchObject({ isAllowed: false, source: 'redis' });
    expect(denied?.retryAfterMs).toBeLessThanOrEqual(30_000);
    expect(await without?.consume('me')).toMatchObject({ isAllowed: true, used: 1 });
  });

  test('goes on after SCRIPT FLUSH and FLUSHALL', async () => {
    const { client, limiter, key } = await limited();
    await limiter.consume('me');
    await client.scriptFlush();
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, used: 2 });
    await client.unlink(key);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true, used: 1 });
  });
});
