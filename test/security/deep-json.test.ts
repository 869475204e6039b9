/** JSON that is nested without end: parsing it is easy, and everything that comes after overflows the stack. */
import { describe, expect, it } from '@jest/globals';
import type express from 'express';
import { createCache } from 'express-redis-suite/cache-aside';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession from 'express-session';
import {
  type Act,
  AN_HOUR,
  appWith,
  base64,
  commonActs,
  cookieOf,
  PATIENT,
  SECRET,
} from '../session/support.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const LEVELS = 200_000;
const deep = (levels = LEVELS) => '['.repeat(levels) + ']'.repeat(levels);

const saveJson: Act = (req, res) => {
  req.session.sent = JSON.parse(deep(Number(req.query.levels)));
  res.end('saved');
};

describe('a session', () => {
  it.each([
    ['JSON', {}, (text: string) => text],
    [
      'a serializer of the app',
      { serializer: base64 },
      (text: string) => Buffer.from(text).toString('base64'),
    ],
  ])('that somebody planted in Redis, written by %s, is none', async (_name, options, spell) => {
    const client = await connect();
    const prefix = `${uniqueNamespace()}:`;
    const text = `{"cookie":{"originalMaxAge":3600000},"user":"ada","filter":${deep()}}`;
    const store = new RedisSessionStore({ client, prefix, ...options, ...PATIENT });
    const settings = { secret: SECRET, resave: false, saveUninitialized: false };
    const apps = [
      sessions({ client, prefix, secret: SECRET, ...options, ...PATIENT }),
      expressSession({ ...settings, store }),
    ];
    for (const middleware of apps) {
      await client.set(`${prefix}id`, spell(text), { PX: AN_HOUR });
      const app = await serve(appWith(middleware as express.RequestHandler, commonActs));
      const read = await app.get('/read', { cookie: cookieOf('id') });
      expect([read.status, read.json().user]).toEqual([200, undefined]);
      expect((await app.get('/write/cart/apple', { cookie: cookieOf('id') })).status).toBe(200);
    }
    expect(await store.get('id')).toBeNull();
    expect(await store.all()).not.toContainEqual(expect.objectContaining({ user: 'ada' }));
  });

  it('is not lost by what a client sent: deeper than can be read again is refused', async () => {
    const options = { client: await connect(), prefix: `${uniqueNamespace()}:`, secret: SECRET, ...PATIENT };
    const app = await serve(appWith(sessions(options), { ...commonActs, '/save-json': saveJson }));
    const browser = app.browser();
    await browser.get('/write/user/ada');
    expect((await browser.get('/save-json?levels=900')).status).toBe(200);
    const refused = await browser.get('/save-json?levels=1100');
    expect([refused.status, refused.json().code]).toEqual([500, 'ERS_SESSION_TOO_LARGE']);
    expect((await browser.get(`/save-json?levels=${LEVELS}`)).status).toBe(500);
    expect((await browser.get('/read')).json()).toMatchObject({ user: 'ada', sent: expect.any(Array) });
  });
});

describe('a cached value', () => {
  it('that somebody planted in Redis is loaded again', async () => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const cache = createCache({ client, namespace, deadlineMs: 5_000 });
    await cache.set('user:1', 'ada');
    const entry = (await client.hGet(`${namespace}:user:1`, 'v')) ?? '';
    await client.hSet(`${namespace}:user:1`, 'v', entry.replace('"ada"', deep()));
    expect(await cache.get('user:1')).toBeUndefined();
    expect(await cache.getOrLoad('user:1', () => 'eve')).toBe('eve');
    expect(await cache.get('user:1')).toBe('eve');
  });

  it('is refused when it is loaded, for whoever is handed it could not send it', async () => {
    const cache = createCache({ client: await connect(), namespace: uniqueNamespace(), deadlineMs: 5_000 });
    for (const levels of [1_100, LEVELS]) {
      await expect(cache.getOrLoad('a', () => JSON.parse(deep(levels)))).rejects.toMatchObject({
        code: 'ERS_UNCACHEABLE_VALUE',
      });
    }
    expect(await cache.getOrLoad('a', () => JSON.parse(deep(900)))).toEqual(JSON.parse(deep(900)));
  });
});
