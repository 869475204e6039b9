/** What one key of a kind takes in Redis, with everything around it: by how much `used_memory` grows for each of many. */
import { randomBytes } from 'node:crypto';
import express from 'express';
import { createCache } from '../../lib/cache-aside/index.js';
import { rateLimit } from '../../lib/rate-limit/index.js';
import { responseCache } from '../../lib/response-cache/index.js';
import { RedisSessionStore } from '../../lib/session/index.js';
import { serve } from '../support/http.js';
import type { TestClient } from '../support/redis.js';

const AT_ONCE = 100;
const WARMING_UP = 10;
const UNHURRIED = { deadlineMs: 30_000 };
const COOKIE = {
  originalMaxAge: 1_800_000,
  expires: '2026-11-22T03:42:16.000Z',
  httpOnly: true,
  path: '/',
  sameSite: 'lax',
  secure: true,
};

type Make = (index: number) => Promise<unknown>;

/** Bytes, by the names that the page gives them. */
export async function weigh(client: TestClient): Promise<Record<string, number>> {
  const shared = { ...UNHURRIED, client };
  const sessions = new RedisSessionStore(shared);
  const ofUsers = new RedisSessionStore({ ...shared, userId: (it) => (it as { user?: string }).user });
  const cache = createCache({ ...shared, namespace: 'shop', ttlMs: 60_000 });
  const app = express().use(responseCache(shared));
  app.get('/pages/:bytes/:id', (req, res) => {
    res.set('Cache-Control', 'public, max-age=60').send('x'.repeat(Number(req.params.bytes)));
  });
  const site = await serve(app);

  const save = (store: RedisSessionStore, fields: object) =>
    promised((done) => store.set(newId(), { cookie: COOKIE, user: 'user-12345', ...fields } as never, done));
  const page =
    (bytes: number): Make =>
    (index) =>
      site.get(`/pages/${bytes}/${index}`);
  const plain = await each(() => save(sessions, {}));
  const tagged: Make = (index) => cache.set(`row:${index}`, 'x'.repeat(100), { tags: [`tag:${index}`] });
  const untagged: Make = (index) => cache.set(`row:${index}`, 'x'.repeat(100));
  const small = await each(untagged);
  return {
    'limiter, a client with 1 hit in the window': await each(hitting(1)),
    'limiter, a client with 20 hits in the window': await each(hitting(20), 200),
    'limiter, a client with 100 hits in the window': await each(hitting(100), 100),
    'session, cookie and a user id': plain,
    'session, 1,000 bytes more': await each(() => save(sessions, { cart: 'x'.repeat(1000) })),
    'tombstone of a session': await each(() => promised((done) => sessions.destroy(newId(), done))),
    'index of a user with one session':
      (await each((index) => save(ofUsers, { user: `user-${10_000 + index}` }))) - plain,
    'cached value of 100 bytes': small,
    'cached value of 1,000 bytes': await each((index) => cache.set(`row:${index}`, 'x'.repeat(1000))),
    'tag of its own': (await each(tagged)) - small,
    'page of 100 bytes': await each(page(100)),
    'page of 10,000 bytes': await each(page(10_000), 300),
  };

  function hitting(times: number): Make {
    const limiter = rateLimit({ ...shared, name: `${times}-hits`, windowMs: 60_000, limit: 100 });
    return async function hit(index) {
      const key = `198.51.${100 + (index >> 8)}.${index & 255}`;
      for (let time = 0; time < times; time += 1) await limiter.consume(key);
    };
  }

  async function each(make: Make, count = 500): Promise<number> {
    await client.flushAll();
    // Scripts, buffers and the first table are there before it counts.
    for (let index = 0; index < WARMING_UP; index += 1) await make(count + index);
    const before = await usedMemory(client);
    for (let from = 0; from < count; from += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, offset) => make(from + offset)));
    return ((await usedMemory(client)) - before) / count;
  }
}

function promised(call: (done: (error?: unknown) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => void call((error) => (error ? reject(error) : resolve())));
}

async function usedMemory(client: TestClient): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1]);
}

function newId(): string {
  return randomBytes(24).toString('base64url');
}
