/** `absoluteTtlMs`: so long after its creation a session is over, whatever was done to keep it. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { RedisStore } from 'connect-redis';
import { RedisSessionStore, type RedisSessionStoreOptions, sessions } from 'express-redis-suite/session';
import expressSession, { type SessionData } from 'express-session';
import { serve } from '../support/http.js';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import {
  A_MINUTE,
  AN_HOUR,
  appWith,
  base64,
  commonActs,
  cookieOf,
  idIn,
  PATIENT,
  plant,
  SECRET,
  stored,
} from './support.js';

const BEGINNING = 'ers:created';

let client: TestClient;
let prefix: string;
let key: string;

beforeEach(async () => {
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  key = `${prefix}id`;
});

const storeWith = (options: Partial<RedisSessionStoreOptions> = {}) =>
  new RedisSessionStore({ client, prefix, absoluteTtlMs: 8 * AN_HOUR, ...PATIENT, ...options });

const session = (fields: object = {}) => ({ cookie: { originalMaxAge: AN_HOUR }, ...fields }) as SessionData;

/** As if the session had begun that long ago. */
async function age(ms: number, text = ''): Promise<void> {
  const json = text || ((await client.get(key)) as string);
  const aged = json.replace(/"ers:created":\d+/, `"${BEGINNING}":${Date.now() - ms}`);
  await client.set(key, aged, { PX: AN_HOUR });
}

async function expectTtl(ms: number) {
  const ttlMs = await client.pTTL(key);
  expect(ttlMs).toBeGreaterThan(ms - 10_000);
  expect(ttlMs).toBeLessThanOrEqual(ms);
}

describe.each<[string, Partial<RedisSessionStoreOptions>]>([
  ['by itself', {}],
  ['under disableTouch', { disableTouch: true }],
  ['under disableTTL', { disableTTL: true }],
  ['with a ttl function', { ttl: () => 3600 }],
])('%s', (_, options) => {
  it('a session past it is not read, and is gone', async () => {
    const store = storeWith(options);
    await store.set('id', session({ user: 'ada' }));
    await age(8 * AN_HOUR - A_MINUTE);
    expect(await store.get('id')).toMatchObject({ user: 'ada' });
    await age(8 * AN_HOUR);
    expect(await store.all()).toEqual([]);
    expect(await store.get('id')).toBeNull();
    expect(await client.exists(key)).toBe(0);
  });

  it('Redis keeps it no longer, read, touched or saved', async () => {
    const store = storeWith(options);
    await store.set('id', session());
    await age(8 * AN_HOUR - A_MINUTE);
    const data = (await store.get('id')) as SessionData;
    await store.touch('id', data);
    Object.assign(data, { user: 'ada' });
    await store.set('id', data);
    await expectTtl(A_MINUTE);
  });
});

it('another serializer does not keep it from ending', async () => {
  const store = storeWith({ serializer: base64 });
  await store.set('id', session({ user: 'ada' }));
  const text = () => client.get(key).then((value) => Buffer.from(String(value), 'base64').toString());
  const encode = async () =>
    client.set(key, Buffer.from((await client.get(key)) as string).toString('base64'), { PX: AN_HOUR });
  await age(8 * AN_HOUR - A_MINUTE, await text());
  await encode();
  const data = (await store.get('id')) as SessionData;
  expect(data).toEqual(session({ user: 'ada' }));
  await store.touch('id', data);
  await expectTtl(AN_HOUR);
  await age(8 * AN_HOUR, await text());
  await encode();
  expect(await store.get('id')).toBeNull();
});

describe('the beginning', () => {
  it('is seen by no handler, and stays the first one through saves, also where handlers write a field of its name', async () => {
    const store = storeWith();
    await store.set('id', session({ user: 'ada', [BEGINNING]: 4e12 }));
    const before = (await stored(client, key))?.[BEGINNING];
    expect(before).toBeLessThanOrEqual(Date.now());
    const data = (await store.get('id')) as SessionData;
    expect(Object.keys(data)).toEqual(['cookie', 'user']);
    await store.set('id', Object.assign(data, { cart: 1, nested: { [BEGINNING]: 4e12 }, [BEGINNING]: 4e12 }));
    expect((await stored(client, key))?.[BEGINNING]).toBe(before);
    expect(await client.get(key)).toMatch(/^\{"ers:created":\d+,"cookie":/);
  });

  it('is written down when a session without one is first read', async () => {
    await plant(client, key, { user: 'ada' }, {}, A_MINUTE);
    const startedAt = Date.now();
    expect(await storeWith().get('id')).toEqual({ cookie: expect.any(Object), user: 'ada' });
    const begun = (await stored(client, key))?.[BEGINNING];
    expect(begun).toBeGreaterThanOrEqual(startedAt);
    await expectTtl(AN_HOUR);
    await storeWith().get('id');
    expect((await stored(client, key))?.[BEGINNING]).toBe(begun);
  });

  it('in the future, by the clock of another host, lengthens nothing', async () => {
    const store = storeWith({ absoluteTtlMs: AN_HOUR / 2 });
    await store.set('id', session());
    await age(-AN_HOUR);
    await store.get('id');
    expect(await client.pTTL(key)).toBeLessThanOrEqual(AN_HOUR);
    await store.set('id', (await store.get('id')) as SessionData);
    await expectTtl(AN_HOUR / 2);
  });

  it('survives merged saves, and processes on connect-redis', async () => {
    const store = storeWith();
    await store.set('id', session());
    await age(AN_HOUR);
    const before = (await stored(client, key))?.[BEGINNING];
    const request = (of: RedisStore) => ({ sessionID: 'id', sessionStore: of }) as never;
    const theirs = new RedisStore({ client, prefix });
    const ours = store.createSession(request(store), (await store.get('id')) as SessionData);
    const other = theirs.createSession(request(theirs), (await theirs.get('id')) as SessionData);
    await theirs.set('id', Object.assign(other, { y: 1 }));
    await store.set('id', Object.assign(ours, { x: 1 }));
    expect(await stored(client, key)).toMatchObject({ [BEGINNING]: before, x: 1, y: 1 });
    await age(8 * AN_HOUR);
    const again = theirs.createSession(request(theirs), (await theirs.get('id')) as SessionData);
    await theirs.set('id', Object.assign(again, { z: 1 }));
    expect(await store.get('id')).toBeNull();
  });

  it('stays when the option goes', async () => {
    await storeWith().set('id', session());
    const before = (await stored(client, key))?.[BEGINNING];
    const without = storeWith({ absoluteTtlMs: undefined });
    const data = (await without.get('id')) as SessionData;
    await without.set('id', Object.assign(data, { x: 1 }));
    expect((await stored(client, key))?.[BEGINNING]).toBe(before);
  });
});

const middlewares = {
  'sessions()': () =>
    sessions({
      client,
      prefix,
      secret: SECRET,
      absoluteTtlMs: 8 * AN_HOUR,
      cookie: { maxAge: AN_HOUR },
      ...PATIENT,
    }),
  'express-session with the store': () =>
    expressSession({
      store: storeWith(),
      secret: SECRET,
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: AN_HOUR },
    }),
};

describe.each(Object.entries(middlewares))('under %s', (_, make) => {
  it('a session past it is a new one, and the old id is not taken up again', async () => {
    const app = await serve(appWith(make(), commonActs));
    const browser = app.browser();
    const { id } = (await browser.get('/write/user/ada')).json();
    key = prefix + id;
    const text = await client.get(key);
    expect((await browser.get('/read')).json()).toEqual({ user: 'ada', id });
    // A request that only reads is none that saves.
    expect(await client.get(key)).toBe(text);
    await age(8 * AN_HOUR);
    const next = (await browser.get('/write/user/eve')).json();
    expect(next.id).not.toBe(id);
    expect(await client.exists(key)).toBe(0);
    expect(idIn(browser.cookies.get('connect.sid'))).toBe(next.id);
  });

  it('a new id begins anew', async () => {
    await plant(client, key, { user: 'ada' });
    const aged = `{"${BEGINNING}":${Date.now() - AN_HOUR},${((await client.get(key)) as string).slice(1)}`;
    await client.set(key, aged, { PX: AN_HOUR });
    const startedAt = Date.now();
    const app = await serve(appWith(make(), commonActs));
    const { id } = (await app.get('/regenerate', { cookie: cookieOf('id') })).json();
    expect((await stored(client, prefix + id))?.[BEGINNING]).toBeGreaterThanOrEqual(startedAt);
  });
});

it.each([
  { absoluteTtlMs: 0 },
  { absoluteTtlMs: Number.NaN },
  { absoluteTtlMs: '1h' },
  { touchAfterMs: -1 },
  { onConflict: 'merge' },
])('%j is refused', (options) => {
  expect(() => storeWith(options as never)).toThrow(expect.objectContaining({ code: 'ERS_INVALID_OPTION' }));
});
