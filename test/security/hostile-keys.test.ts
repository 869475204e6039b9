/** Whatever ids hold, no two share what is kept under them, and no key in Redis is long, or harmful to look at. */
import { expect, test } from '@jest/globals';
import { createCache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { RedisSessionStore } from 'express-redis-suite/session';
import { AN_HOUR } from '../session/support.js';
import { connect, type TestClient } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';

const HARMFUL = [
  '{',
  '}',
  '{}',
  '{a}',
  '*',
  '?',
  '[a-z]',
  '\\',
  '\n',
  '\r\n',
  '\u0000',
  '\u001b[2J',
  ' ',
  '"',
  "'",
];
const MORE = [
  '%00',
  '%0d%0a',
  '../',
  '__proto__',
  'constructor',
  '\ud800',
  '\udfff',
  'é',
  'e\u0301',
  '\u202e',
  'ﬀ',
  '!',
  ':',
];
const LONG = [119, 120, 121, 500, 1_048_576].map((length) => 'x'.repeat(length));
const ids: readonly string[] = [
  ...new Set([
    ...LONG,
    ...LONG.map((long) => `${long}y`),
    ...[...HARMFUL, ...MORE].flatMap((part) => [part, `${part}a`, `a${part}`, `a${part}b`, part + part]),
    'a',
    'A',
    'a:b',
    'lease:v',
    'mark',
    '#tag',
    'gone',
    'revoked',
  ]),
];

async function own(): Promise<TestClient> {
  const server = await RedisServer.start();
  return connect(server.url);
}

async function expectSoundKeys(client: TestClient, atLeast: number): Promise<void> {
  const keys = await client.keys('*');
  expect(keys.length).toBeGreaterThanOrEqual(atLeast);
  for (const key of keys) {
    expect(key).toMatch(/^[A-Za-z0-9._~@:/+=!_{}#-]{1,200}$/);
    expect(key).not.toMatch(/[{}].*[{}].*[{}]/);
  }
}

test('of clients of a limiter', async () => {
  const client = await own();
  const limiter = rateLimit({ client, limit: 1, deadlineMs: 10_000 });
  for (const id of ids) expect([id, (await limiter.consume(id)).isAllowed]).toEqual([id, true]);
  for (const id of ids) expect((await limiter.consume(id)).isAllowed).toBe(false);
  await expectSoundKeys(client, ids.length);
});

test('of cached values, and of their tags', async () => {
  const client = await own();
  const cache = createCache({ client, deadlineMs: 10_000 });
  for (const id of ids) expect(await cache.set(id, { id }, { tags: [id] })).toBe(true);
  for (const id of ids) expect(await cache.get(id)).toEqual({ id });
  for (const [i, id] of ids.entries()) {
    await cache.invalidateTags(id);
    expect(await cache.get(id)).toBeUndefined();
    const next = ids[i + 1];
    if (next !== undefined) expect(await cache.get(next)).toEqual({ id: next });
  }
  await expectSoundKeys(client, ids.length);
});

test('of users who have sessions', async () => {
  const client = await own();
  const userId = (session: object) => (session as { user?: string }).user;
  const store = new RedisSessionStore({ client, userId, deadlineMs: 10_000 });
  const cookie = { originalMaxAge: AN_HOUR };
  for (const [i, user] of ids.entries()) await store.set(`s${i}`, { cookie, user } as never);
  for (const user of ids) expect(await store.list(user)).toHaveLength(1);
  expect(await store.revokeAll(ids[0] as string)).toBe(1);
  expect(await store.length()).toBe(ids.length - 1);
  await expectSoundKeys(client, ids.length);
});
