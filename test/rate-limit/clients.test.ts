// One contract, every kind of client: the limiter counts, gives back, shuts and forgets the same through all of them.
import { describe, expect, test } from '@jest/globals';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { onTestEnd } from '../support/cleanup.js';
import { clientKinds, startServers } from '../support/client-kinds.js';
import { uniqueNamespace } from '../support/redis.js';

const servers = startServers();

describe.each(clientKinds)('Through $name', (kind) => {
  async function limiterOf(options: object) {
    const opened = kind.open(servers);
    onTestEnd(() => opened.close());
    await opened.connect();
    return rateLimit({ client: opened.client, namespace: uniqueNamespace(), deadlineMs: 5_000, ...options });
  }

  test('several windows are one decision, for many keys at once', async () => {
    const limits = [
      { windowMs: 60_000, limit: 4 },
      { windowMs: 30_000, limit: 3 },
    ];
    const limiter = await limiterOf({ limits });
    const keys = ['203.0.113.7', '2001:db8::/56', 'a b', 'x'.repeat(500)];
    for (const key of keys) {
      const decisions = await Promise.all([1, 2, 3, 4].map(() => limiter.consume(key)));
      const denied = decisions.filter(({ isAllowed }) => !isAllowed);
      expect(decisions.map(({ source }) => source)).toEqual(Array(4).fill('redis'));
      expect(denied).toEqual([expect.objectContaining({ policy: '3-in-30sec', used: 3 })]);
    }
  });

  test('costs are given back, and keys are looked at and forgotten', async () => {
    const limiter = await limiterOf({ limit: 10 });
    const { token } = await limiter.consume('me', 7);
    await limiter.consume('me', 2);
    expect(await limiter.refund(token as NonNullable<typeof token>)).toBe(true);
    expect(await limiter.peek('me')).toMatchObject({ used: 2, source: 'redis' });
    await limiter.resetKey('me');
    expect(await limiter.getKey('me')).toBeUndefined();
  });

  test('a key is shut after a rejection', async () => {
    const limiter = await limiterOf({ limit: 1, blockMs: 30_000, resolution: 100 });
    await limiter.consume('me');
    const { retryAfterMs } = await limiter.consume('me');
    expect(retryAfterMs).toBeGreaterThan(59_000);
    expect(await limiter.peek('me')).toMatchObject({ isAllowed: false, source: 'redis' });
  });
});
