/** What becomes of sessions is told on a diagnostics channel, without anything that opens one. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from '@jest/globals';
import { login, logout, type RedisSessionStoreOptions, sessions } from 'express-redis-suite/session';
import type { SessionLifeEvent } from '../../lib/core/channels.js';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import {
  type Act,
  type AnySession,
  appWith,
  commonActs,
  cookieOf,
  idIn,
  PATIENT,
  SECRET,
} from './support.js';

const CHANNEL = 'express-redis-suite:session-life';

const acts: Record<string, Act> = {
  ...commonActs,
  '/login/:user': async (req, res) => {
    await login(req as never, { user: req.params.user } as never);
    res.end('in');
  },
  '/logout': async (req, res) => {
    await logout(req as never);
    res.end('out');
  },
};

async function start(options: Partial<RedisSessionStoreOptions> = {}) {
  const heard: SessionLifeEvent[] = [];
  const listener = (event: unknown) => void heard.push(event as SessionLifeEvent);
  subscribe(CHANNEL, listener);
  onTestEnd(() => unsubscribe(CHANNEL, listener));
  const middleware = sessions({
    client: await connect(),
    prefix: `${uniqueNamespace()}:`,
    secret: SECRET,
    userId: (session) => (session as unknown as AnySession).user as string | undefined,
    ...PATIENT,
    ...options,
  });
  const app = await serve(appWith(middleware, acts));
  return { app, heard, store: middleware.store };
}

describe('the life of a session', () => {
  it('is told from its first save to a request that comes too late', async () => {
    const { app, heard } = await start();
    const browser = app.browser();
    await browser.get('/read');
    await browser.get('/write/cart/apple');
    const visitor = idIn(browser.cookies.get('connect.sid'));
    await browser.get('/write/cart/pear');
    await browser.get('/login/ada');
    const user = idIn(browser.cookies.get('connect.sid'));
    await browser.get('/logout');
    await app.get('/read', { cookie: cookieOf(user) });

    expect(heard.map(({ event }) => event)).toEqual([
      'created',
      'destroyed',
      'renewed',
      'destroyed',
      'expired',
    ]);
    const [created, given, renewed, destroyed, expired] = heard as [
      SessionLifeEvent,
      SessionLifeEvent,
      SessionLifeEvent,
      SessionLifeEvent,
      SessionLifeEvent,
    ];
    expect(given.handle).toBe(created.handle);
    expect(renewed).toMatchObject({ user: 'ada', replaces: created.handle });
    expect([destroyed.handle, expired.handle]).toEqual([renewed.handle, renewed.handle]);
    for (const id of [visitor, user]) expect(JSON.stringify(heard)).not.toContain(id);
  });

  it('ends for those that are revoked, and for those that are too many', async () => {
    const { app, heard, store } = await start({ maxSessionsPerUser: 1 });
    await app.browser().get('/login/ada');
    await app.browser().get('/login/ada');
    await store.revokeAll('ada');
    expect(heard.map(({ event }) => event)).toEqual(['created', 'destroyed', 'created', 'destroyed']);
    expect(heard[1]).toMatchObject({ user: 'ada', handle: heard[0]?.handle });
    expect(heard[3]).toMatchObject({ user: 'ada', handle: heard[2]?.handle });
  });

  it('does not begin for a cookie that nobody signed, nor end for a session that was not there', async () => {
    const { app, heard, store } = await start();
    await app.get('/read', { cookie: 'connect.sid=s%3Aunknown.forged' });
    await store.destroy('unknown');
    await app.get('/logout');
    expect(heard).toEqual([]);
  });
});
