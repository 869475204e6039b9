/** What works with connect-redis works with this store, on the same sessions, in both directions. */

import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, jest } from '@jest/globals';
import { RedisStore } from 'connect-redis';
import express from 'express';
import { RedisSessionStore, sessions } from 'express-redis-suite/session';
import expressSession, { type Store } from 'express-session';
import { WebSocket, WebSocketServer } from 'ws';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { AN_HOUR, appWith, commonActs, cookieOf, idIn, PATIENT, plant, SECRET } from './support.js';

function appOn(store: Store) {
  const middleware = expressSession({
    store,
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: AN_HOUR },
  });
  return serve(appWith(middleware, commonActs));
}

const ours = (client: TestClient, prefix: string) => new RedisSessionStore({ client, prefix, ...PATIENT });
const theirs = (client: TestClient, prefix: string) => new RedisStore({ client, prefix });

describe('the store under express-session', () => {
  it('is a RedisStore of connect-redis, with its defaults', async () => {
    const client = await connect();
    const store = new RedisSessionStore({ client });
    expect(store).toBeInstanceOf(RedisStore);
    const peer = new RedisStore({ client });
    for (const name of [
      'prefix',
      'scanCount',
      'serializer',
      'ttl',
      'disableTTL',
      'disableTouch',
      'client',
    ] as const) {
      expect(store[name]).toBe(peer[name]);
    }
  });

  it('keeps a session over requests, forgets it on destroy, and renames it on regenerate', async () => {
    const client = await connect();
    const app = await appOn(ours(client, `${uniqueNamespace()}:`));
    const browser = app.browser();
    await browser.get('/write/cart/apple');
    expect((await browser.get('/read')).json()).toMatchObject({ cart: 'apple' });
    const before = browser.cookies.get('connect.sid');
    await browser.get('/regenerate');
    expect(browser.cookies.get('connect.sid')).not.toBe(before);
    expect((await browser.get('/read')).json()).toEqual({ user: 'ada', id: expect.any(String) });
    await browser.get('/destroy');
    expect((await browser.get('/read')).json()).not.toHaveProperty('user');
  });

  it('never adopts an id that it does not know, however well it is signed', async () => {
    const client = await connect();
    const prefix = `${uniqueNamespace()}:`;
    const app = await appOn(ours(client, prefix));
    const browser = app.browser();
    await browser.get('/write/cart/apple');
    const id = idIn(browser.cookies.get('connect.sid'));
    await client.unlink(prefix + id);
    const { id: next } = (await browser.get('/write/cart/pear')).json();
    expect(next).not.toBe(id);
    expect(await client.exists(prefix + id)).toBe(0);
  });

  it('stores what connect-redis stores, byte for byte', async () => {
    const client = await connect();
    const [one, other] = [`${uniqueNamespace()}:`, `${uniqueNamespace()}:`];
    const session = {
      cookie: { originalMaxAge: AN_HOUR },
      name: 'Ünïcode 😀',
      list: [1, { a: null }],
    } as never;
    await ours(client, one).set('id', session);
    await theirs(client, other).set('id', session);
    expect(await client.get(`${one}id`)).toBe(await client.get(`${other}id`));
  });

  it.each([
    ['connect-redis to ours', theirs, ours],
    ['ours to connect-redis', ours, theirs],
  ])('keeps live sessions when an app goes from %s', async (_, from, to) => {
    const client = await connect();
    const prefix = `${uniqueNamespace()}:`;
    const [before, after] = [await appOn(from(client, prefix)), await appOn(to(client, prefix))];
    const browser = before.browser();
    await browser.get('/write/cart/apple');
    const cookie = { cookie: `connect.sid=${browser.cookies.get('connect.sid')}` };
    expect((await after.get('/read', cookie)).json()).toMatchObject({ cart: 'apple' });
    await after.get('/write/coupon/ten', cookie);
    expect((await before.get('/read', cookie)).json()).toMatchObject({ cart: 'apple', coupon: 'ten' });
    await after.get('/destroy', cookie);
    expect((await before.get('/read', cookie)).json()).not.toHaveProperty('cart');
  });
});

it('sessions() leaves a request alone that has its session from another middleware', async () => {
  const elsewhere = new expressSession.MemoryStore();
  const saved = jest.spyOn(elsewhere, 'set');
  const settings = { secret: SECRET, resave: false, saveUninitialized: false };
  const own = sessions({
    client: await connect(),
    prefix: `${uniqueNamespace()}:`,
    secret: SECRET,
    ...PATIENT,
  });
  const both = express().use(expressSession({ ...settings, store: elsewhere }), own);
  const browser = (await serve(appWith(both, commonActs))).browser();
  await browser.get('/write/cart/apple');
  expect((await browser.get('/read')).json()).toMatchObject({ cart: 'apple' });
  expect(saved).toHaveBeenCalledTimes(1);
  expect(await own.store.length()).toBe(0);
});

describe('an upgrade to WebSocket', () => {
  it.each([
    ['nothing for a response, as ws shows it', {}],
    [
      'the little that Socket.IO has for one',
      { setHeader() {}, getHeader() {}, write() {}, writeHead() {}, end() {} },
    ],
  ])('has its session with %s', async (_name, res) => {
    const client = await connect();
    const prefix = `${uniqueNamespace()}:`;
    await plant(client, `${prefix}id`, { user: 'ada' });
    const session = sessions({ client, prefix, secret: SECRET, ...PATIENT });
    const server = createServer();
    const wss = new WebSocketServer({ noServer: true });
    server.on('upgrade', (req, socket, head) => {
      session(req, res as ServerResponse, (error?: unknown) => {
        if (error) return void socket.destroy();
        const { user } = (req as unknown as { session: { user?: string } }).session;
        wss.handleUpgrade(req, socket, head, (ws) => ws.send(String(user)));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestEnd(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { headers: { cookie: cookieOf('id') } });
    onTestEnd(() => socket.terminate());
    const [message] = await once(socket, 'message');
    expect(String(message)).toBe('ada');
  });
});

describe('every method', () => {
  const session = { cookie: { originalMaxAge: AN_HOUR }, name: 'tj' } as never;

  it('answers by promise', async () => {
    const store = ours(await connect(), `${uniqueNamespace()}:`);
    expect(await store.set('a', session)).toBeNull();
    expect(await store.get('a')).toEqual(session);
    expect(await store.touch('a', session)).toBeNull();
    expect(await store.ids()).toEqual(['a']);
    expect(await store.length()).toBe(1);
    expect(await store.all()).toEqual([{ ...(session as object), id: 'a' }]);
    expect(await store.destroy('a')).toBeNull();
    expect(await store.get('a')).toBeNull();
    expect(await store.clear()).toBeNull();
  });

  it('answers by callback', async () => {
    const store = ours(await connect(), `${uniqueNamespace()}:`);
    const answers: unknown[] = [];
    const note = (...answer: unknown[]) => answers.push(answer);
    await store.set('a', session, note);
    await store.get('a', note);
    await store.touch('a', session, note);
    await store.ids(note);
    await store.length(note);
    await store.destroy('a', note);
    await store.get('a', note);
    await store.clear(note);
    expect(answers).toEqual([
      [null, null],
      [null, session],
      [null, null],
      [null, ['a']],
      [null, 1],
      [null, null],
      [null, null],
      [null, null],
    ]);
  });
});
