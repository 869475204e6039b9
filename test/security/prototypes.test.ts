/** Names such as `__proto__`, wherever a client can put one, change no object but the one they are in. */
import { afterEach, expect, it } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import { createCache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { responseCache } from 'express-redis-suite/response-cache';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import { appWith, commonActs, cookieOf, PATIENT, plant, SECRET } from '../session/support.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const POISON = '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}';
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];

afterEach(() => {
  for (const object of [{}, [], () => {}, Object.create(null) ?? {}]) expect(object.isAdmin).toBeUndefined();
});

it('as fields of sessions', async () => {
  const client = await connect();
  const prefix = `${uniqueNamespace()}:`;
  const app = await serve(appWith(sessions({ client, prefix, secret: SECRET, ...PATIENT }), commonActs));
  for (const [i, name] of NAMES.entries()) {
    await plant(client, `${prefix}id${i}`, JSON.parse(`{"user":"ada","${name}":${POISON}}`));
    await client.set(
      `${prefix}id${i}`,
      ((await client.get(`${prefix}id${i}`)) ?? '').replace('"user"', `"${name}":${POISON},"user"`),
    );
    const cookie = cookieOf(`id${i}`);
    expect((await app.get('/read', { cookie })).json()).toMatchObject({ user: 'ada' });
    expect((await app.get(`/write/${name}/x`, { cookie })).status).toBe(200);
    expect((await app.get('/read', { cookie })).json().isAdmin).toBeUndefined();
  }
});

it('as cached values, and as their keys and tags', async () => {
  const client = await connect();
  for (const options of [{ client, namespace: uniqueNamespace() }, {}]) {
    const cache = createCache({ ...options, deadlineMs: 10_000 });
    for (const name of NAMES) {
      const value = await cache.getOrLoad<{ isAdmin?: boolean }>(name, () => JSON.parse(POISON), {
        tags: [name],
      });
      expect(value).toEqual(JSON.parse(POISON));
      const many = await cache.loadMany([name, 'other'], () => new Map([['other', 1]]));
      expect([...many.keys()]).toEqual([name, 'other']);
    }
    await cache.invalidateTags(...NAMES);
    expect((await cache.getMany(NAMES)).size).toBe(0);
  }
});

it('as clients of a limiter and users of sessions', async () => {
  const client = await connect();
  const namespace = uniqueNamespace();
  const userId = (session: object) => (session as { user?: string }).user;
  const store = new RedisSessionStore({ client, prefix: `${namespace}:`, userId, ...PATIENT });
  for (const limiter of [
    rateLimit({ client, namespace, limit: 1, deadlineMs: 10_000 }),
    rateLimit({ limit: 1 }),
  ])
    for (const name of NAMES)
      expect([(await limiter.consume(name)).isAllowed, (await limiter.consume(name)).isAllowed]).toEqual([
        true,
        false,
      ]);
  for (const [i, user] of NAMES.entries()) {
    await store.set(`s${i}`, { cookie: { originalMaxAge: 60_000 }, user } as never);
    expect(await store.list(user)).toHaveLength(1);
  }
});

it('as parameters, cookies and headers of requests for pages', async () => {
  const app = express();
  app.set('query parser', 'extended');
  // As good as anything that is set where the request came with none of them.
  const vary = { cookies: NAMES, headers: NAMES, query: NAMES };
  const options = { client: await connect(), namespace: uniqueNamespace(), public: true, ttl: 60_000, vary };
  app.use(responseCache({ ...options, deadlineMs: 10_000 }) as RequestHandler);
  app.use((req, res) => void res.json(req.query));
  const site = await serve(app);
  for (const name of NAMES) {
    for (const path of [`/?${name}[isAdmin]=true`, `/?a[${name}][isAdmin]=true`, `/?${name}.isAdmin=true`]) {
      const sent = { cookie: `${name}=a; ${name}[isAdmin]=true`, [name]: '{"isAdmin":true}' };
      for (const headers of [sent, {}])
        for (const _ of [1, 2]) expect((await site.get(path, headers)).status).toBe(200);
    }
  }
});
