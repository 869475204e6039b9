/** A session that was destroyed is never read again, whoever saves what of it, in whatever order. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { RedisStore } from 'connect-redis';
import { RedisSessionStore } from 'express-redis-suite/session';
import type { SessionData } from 'express-session';
import { connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { AN_HOUR, type AnySession, load, muteWarnings, PATIENT, plant, save, stored } from './support.js';

let client: TestClient;
let prefix: string;
let key: string;
let ours: RedisSessionStore;
let theirs: RedisStore;

beforeEach(async () => {
  muteWarnings();
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  key = `${prefix}id`;
  ours = new RedisSessionStore({ client, prefix, ...PATIENT });
  theirs = new RedisStore({ client, prefix });
  await plant(client, key, { user: 'ada' });
});

const plain = () => ({ cookie: { originalMaxAge: AN_HOUR }, user: 'eve' }) as unknown as SessionData;

async function expectGone() {
  expect(await ours.get('id')).toBeNull();
  expect(await client.exists(key)).toBe(0);
  expect(await theirs.get('id')).toBeNull();
}

/** A request's session that no store has seen yet. */
function newborn(store: RedisStore): AnySession {
  return store.createSession({ sessionID: 'id', sessionStore: store } as never, plain()) as never;
}

const lateSaves: Record<string, () => Promise<() => Promise<unknown>>> = {
  'that was loaded': async () => {
    const session = await load(ours);
    return () => save(Object.assign(session, { x: 1 }));
  },
  'that was loaded and saved before': async () => {
    const session = await load(ours);
    await save(Object.assign(session, { x: 1 }));
    return () => save(Object.assign(session, { x: 2 }));
  },
  'that is new to its request': async () => {
    const session = newborn(ours);
    return () => save(session);
  },
  'of plain data, after a get that missed': async () => {
    await client.unlink(key);
    await ours.get('id');
    return () => ours.set('id', plain());
  },
  'of another process': async () => {
    const session = await load(new RedisSessionStore({ client: await connect(), prefix, ...PATIENT }));
    return () => save(Object.assign(session, { x: 1 }));
  },
};

describe.each(Object.entries(lateSaves))('a late save of a session %s', (_, prepare) => {
  it('writes nothing', async () => {
    const saveLate = await prepare();
    await ours.destroy('id');
    await saveLate();
    await expectGone();
  });

  it('writes nothing when a process on connect-redis has written in between', async () => {
    const [saveLate, other] = [await prepare(), await load(theirs).catch(() => newborn(theirs))];
    await ours.destroy('id');
    await save(Object.assign(other, { y: 1 }));
    expect(await client.exists(key)).toBe(1);
    await saveLate();
    expect(await client.exists(key)).toBe(0);
    await expectGone();
  });
});

it('what a process on connect-redis brings back is not read here, and goes', async () => {
  const other = await load(theirs);
  await ours.destroy('id');
  await save(Object.assign(other, { y: 1 }));
  await expectGone();
});

it('a session whose lifetime was ended is as gone as one that was destroyed', async () => {
  const [a, b] = [await load(ours), await load(ours)];
  a.cookie.maxAge = 0;
  await save(a);
  await save(Object.assign(b, { x: 1 }));
  await expectGone();
});

it('a tombstone is in no listing, and has an end', async () => {
  await ours.destroy('id');
  expect([await ours.ids(), await ours.length(), await ours.all()]).toEqual([[], 0, []]);
  expect(await theirs.all()).toEqual([]);
  const [tombstone = ''] = await client.keys(`${prefix}*`);
  expect(tombstone).toBe(`${prefix}gone:{${key}}`);
  expect(await client.pTTL(tombstone)).toBeGreaterThan(AN_HOUR - 60_000);
});

it('a destroyed session is gone although Redis has no memory for a tombstone', async () => {
  const server = await RedisServer.start();
  const full = await connect(server.url);
  await plant(full, 'sess:id', {});
  const store = new RedisSessionStore({ client: full, ...PATIENT });
  await full.configSet({ 'maxmemory-policy': 'noeviction', maxmemory: '1' });
  await store.destroy('nobody');
  await store.destroy('id');
  expect(await store.get('id')).toBeNull();
});

it('clear() leaves no tombstones: what it cleared may come again', async () => {
  await ours.clear();
  await ours.set('id', plain());
  expect(await stored(client, key)).toMatchObject({ user: 'eve' });
});
