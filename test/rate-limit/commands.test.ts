// What the limiter asks of Redis: one command per request, next to none per denied one.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import express from 'express';
import { type Options, rateLimit } from 'express-redis-suite/rate-limit';
import { serve } from '../support/http.js';
import { commandsDuring, connect } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';

async function ownRedis() {
  const server = await RedisServer.start();
  const client = await connect(server.url);
  const limiterOn = (options: Partial<Options>) => rateLimit({ client, deadlineMs: 5_000, ...options });
  // The script is known from here on.
  await limiterOn({ name: 'warm', windowMs: 1_000 }).consume('me');
  return { client, limiterOn };
}

describe('Of Redis, the limiter asks', () => {
  test('one command for an allowed request', async () => {
    const { client, limiterOn } = await ownRedis();
    const served = await serve(express().use(limiterOn({ limit: 100, standardHeaders: 'draft-8' })));
    const commands = await commandsDuring(client, async () => {
      for (let requests = 0; requests < 20; requests += 1) await served.get('/');
    });
    expect(commands.evalsha).toBe(20);
    expect(commands.eval).toBeUndefined();
  });

  test('at most one command a second for a key that is denied, however many requests', async () => {
    const { client, limiterOn } = await ownRedis();
    const limiter = limiterOn({ limit: 1, windowMs: 60_000 });
    await limiter.consume('me');
    await limiter.consume('me');
    let requests = 0;
    const startedAt = performance.now();
    const commands = await commandsDuring(client, async () => {
      while (performance.now() - startedAt < 2_200) {
        const burst = await Promise.all(Array.from({ length: 20 }, () => limiter.consume('me')));
        expect(burst.every(({ isAllowed }) => !isAllowed)).toBe(true);
        requests += burst.length;
        await sleep(5);
      }
    });
    expect(requests).toBeGreaterThan(500);
    expect(commands.evalsha).toBeLessThanOrEqual(Math.ceil((performance.now() - startedAt) / 1_000));
  });

  test('nothing until the moment a denied client may come again, and lets it in then', async () => {
    const { client, limiterOn } = await ownRedis();
    const limiter = limiterOn({ limit: 1, windowMs: 1_000 });
    await limiter.consume('me');
    const { retryAfterMs } = await limiter.consume('me');
    const until = performance.now() + retryAfterMs / 2;
    const commands = await commandsDuring(client, async () => {
      while (performance.now() < until) {
        const denied = await limiter.consume('me');
        expect(denied).toMatchObject({ isAllowed: false, source: 'denial', used: 1, remaining: 0 });
        expect(denied.retryAfterMs).toBeLessThan(retryAfterMs);
        await sleep(1);
      }
    });
    expect(commands.evalsha).toBeUndefined();
    await sleep(retryAfterMs / 2 + 5);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
  });

  test('again at once after a reset or refund in this process', async () => {
    const { limiterOn } = await ownRedis();
    const limiter = limiterOn({ limit: 1 });
    const { token } = await limiter.consume('me');
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: false });
    await limiter.refund(token as NonNullable<typeof token>);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: false });
    await limiter.resetKey('me');
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
  });

  test('again at once after a reset or refund that overtakes a denial', async () => {
    const { limiterOn } = await ownRedis();
    const limiter = limiterOn({ limit: 1 });
    const { token } = await limiter.consume('me');
    await Promise.all([limiter.consume('me'), limiter.resetKey('me')]);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
    const other = await limiter.consume('other');
    await Promise.all([limiter.consume('other'), limiter.refund(other.token as NonNullable<typeof token>)]);
    expect(await limiter.consume('other')).toMatchObject({ isAllowed: true });
  });

  test('again at once after a reset or refund by a limiter of the same name', async () => {
    const { limiterOn } = await ownRedis();
    const named = { name: 'api', limit: 1 };
    const [limiter, twin] = [limiterOn(named), limiterOn({ ...named, countRejected: true })];
    const { token } = await limiter.consume('me');
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: false });
    await twin.refund(token as NonNullable<typeof token>);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: false });
    await twin.resetKey('me');
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
  });

  test('again within a second after a reset in another process', async () => {
    const { client, limiterOn } = await ownRedis();
    const limiter = limiterOn({ limit: 1 });
    await limiter.consume('me');
    await limiter.consume('me');
    await client.unlink('rl:1-in-1min:{me}');
    await sleep(1_020);
    expect(await limiter.consume('me')).toMatchObject({ isAllowed: true });
  });

  test('separately for a smaller cost or a greater limit, which may fit', async () => {
    const { limiterOn } = await ownRedis();
    const limiter = limiterOn({ limit: 10 });
    await limiter.consume('me', 8);
    expect(await limiter.consume('me', 5)).toMatchObject({ isAllowed: false });
    expect(await limiter.consume('me', 5)).toMatchObject({ isAllowed: false, source: 'denial' });
    expect(await limiter.consume('me', 2)).toMatchObject({ isAllowed: true });
    const greater = limiterOn({ limit: 20, name: '10-in-1min' });
    expect(await greater.consume('me', 5)).toMatchObject({ isAllowed: true });
  });

  test('each time when rejected requests count', async () => {
    const { client, limiterOn } = await ownRedis();
    const limiter = limiterOn({ limit: 1, countRejected: true });
    const commands = await commandsDuring(client, async () => {
      for (let requests = 0; requests < 5; requests += 1) await limiter.consume('me');
    });
    expect(commands.evalsha).toBe(5);
    // The newest, and where the counting starts.
    expect(await client.zCard('rl:1-in-1min:{me}')).toBe(2);
  });
});
