/** `migrateFrom`: the sessions of another store move here as they are read, and nobody is logged out by it. */
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RedisStore } from 'connect-redis';
import {
  type OldStore,
  RedisSessionStore,
  type RedisSessionStoreOptions,
  sessions,
} from 'express-redis-suite/session';
import expressSession, { type SessionData } from 'express-session';
import { serve } from '../support/http.js';
import { commandsDuring, connect, type TestClient, uniqueNamespace } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import {
  AN_HOUR,
  appWith,
  barrier,
  commonActs,
  cookieOf,
  load,
  PATIENT,
  plant,
  SECRET,
  save,
  TWO_WEEKS,
} from './support.js';

let client: TestClient;
let prefix: string;
let key: string;

beforeEach(async () => {
  client = await connect();
  prefix = `${uniqueNamespace()}:`;
  key = `${prefix}id`;
});

const session = (fields: object = {}, lifetimeMs = AN_HOUR) =>
  ({ cookie: { originalMaxAge: lifetimeMs }, ...fields }) as SessionData;

const storeFrom = (migrateFrom: OldStore, options: Partial<RedisSessionStoreOptions> = {}) =>
  new RedisSessionStore({ client, prefix, migrateFrom, ...PATIENT, ...options });

/** A store with promises only, over a map. */
class PromiseStore {
  readonly kept = new Map<string, SessionData>();
  readonly asked: string[] = [];
  async get(sid: string) {
    this.asked.push(`get ${sid}`);
    return this.kept.get(sid);
  }
  async destroy(sid: string) {
    this.asked.push(`destroy ${sid}`);
    this.kept.delete(sid);
  }
}

const kinds: Record<string, () => Promise<OldStore>> = {
  'a MemoryStore': async () => {
    const store = new expressSession.MemoryStore();
    await new Promise((resolve) => store.set('id', session({ user: 'ada' }, TWO_WEEKS), resolve));
    return store;
  },
  'connect-redis': async () => {
    const store = new RedisStore({ client, prefix: `${prefix}old:` });
    await plant(client, `${prefix}old:id`, { user: 'ada' }, { originalMaxAge: TWO_WEEKS });
    return store;
  },
  'this store under another prefix': async () => {
    const store = new RedisSessionStore({ client, prefix: `${prefix}old:`, ...PATIENT });
    await store.set('id', session({ user: 'ada' }, TWO_WEEKS));
    return store;
  },
  'a store of promises': async () => {
    const store = new PromiseStore();
    store.kept.set('id', session({ user: 'ada' }, TWO_WEEKS));
    return store;
  },
  'a store of callbacks that are called late by asynchronous methods': async () => {
    const kept = new Map([['id', session({ user: 'ada' }, TWO_WEEKS)]]);
    return {
      async get(sid: string, callback: (error: unknown, session?: unknown) => void) {
        setTimeout(() => callback(null, kept.get(sid)), 5);
      },
      async destroy(sid: string, callback: (error?: unknown) => void) {
        kept.delete(sid);
        setTimeout(callback, 5);
      },
    };
  },
};

describe.each(Object.entries(kinds))('from %s', (_, make) => {
  const inOld = (store: OldStore) =>
    new Promise((resolve, reject) => {
      const returned = store.get('id', (error, found) => (error ? reject(error) : resolve(found ?? null)));
      if (store.get.length < 2) resolve(returned);
    });

  it('a session is read through once, with its lifetime, and is gone there', async () => {
    const old = await make();
    const store = storeFrom(old);
    expect(await store.get('id')).toMatchObject({ user: 'ada', cookie: { originalMaxAge: TWO_WEEKS } });
    expect(await client.pTTL(key)).toBeGreaterThan(TWO_WEEKS - AN_HOUR);
    expect((await inOld(old)) ?? null).toBeNull();
    const loaded = await load(new RedisSessionStore({ client, prefix, ...PATIENT }));
    await save(Object.assign(loaded, { cart: 1 }));
    expect(await store.get('id')).toMatchObject({ user: 'ada', cart: 1 });
    expect(await store.get('nobody')).toBeNull();
  });

  it('a logout before it has moved destroys it there', async () => {
    const old = await make();
    await storeFrom(old).destroy('id');
    expect((await inOld(old)) ?? null).toBeNull();
    expect(await storeFrom(old).get('id')).toBeNull();
  });

  it('a login leaves nothing of the old session anywhere', async () => {
    const old = await make();
    const app = await serve(
      appWith(sessions({ client, prefix, secret: SECRET, migrateFrom: old, ...PATIENT }), commonActs),
    );
    const { id } = (await app.get('/regenerate', { cookie: cookieOf('id') })).json();
    expect(await client.exists(prefix + id)).toBe(1);
    expect((await app.get('/read', { cookie: cookieOf('id') })).json()).not.toHaveProperty('user');
    expect((await inOld(old)) ?? null).toBeNull();
  });
});

it('a session that has moved is read in one command, and the old store is not asked', async () => {
  const server = await RedisServer.start();
  const own = await connect(server.url);
  const old = new PromiseStore();
  old.kept.set('id', session({ user: 'ada' }));
  const store = new RedisSessionStore({ client: own, migrateFrom: old, ...PATIENT });
  await store.get('id');
  expect(old.asked).toEqual(['get id', 'destroy id']);
  expect(await commandsDuring(own, () => store.get('id'))).toMatchObject({ evalsha: 1 });
  expect(old.asked).toHaveLength(2);
});

it('many requests at once, of several processes, all find it', async () => {
  const old = new PromiseStore();
  old.kept.set('id', session({ user: 'ada' }));
  const stores = [storeFrom(old), storeFrom(old, { client: await connect() }), storeFrom(old)];
  const found = await Promise.all(
    Array.from({ length: 30 }, (_, i) => (stores[i % 3] as RedisSessionStore).get('id')),
  );
  for (const each of found) expect(each).toMatchObject({ user: 'ada' });
});

it('one that is destroyed while it moves does not arrive', async () => {
  const [isAsked, mayAnswer] = [barrier(), barrier()];
  const slow = {
    kept: true,
    async get() {
      isAsked.open();
      await mayAnswer.passed;
      return session({ user: 'ada' });
    },
    async destroy() {
      this.kept = false;
    },
  };
  const [one, other] = [storeFrom(slow), storeFrom(slow)];
  const reading = one.get('id');
  await isAsked.passed;
  await other.destroy('id');
  mayAnswer.open();
  expect(await reading).toBeNull();
  expect(await client.exists(key)).toBe(0);
});

describe('while the old store fails', () => {
  const broken: Record<string, OldStore> = {
    'by callbacks': {
      get: (_sid, done) => done(new Error('down')),
      destroy: (_sid, done) => done(new Error('down')),
    },
    'by promises': {
      get: () => Promise.reject(new Error('down')),
      destroy: () => Promise.reject(new Error('down')),
    },
    'by throwing': {
      get: () => {
        throw new Error('down');
      },
      destroy: () => {
        throw new Error('down');
      },
    },
    'by silence': { get: () => undefined, destroy: () => undefined },
  };

  it.each(Object.entries(broken))('%s, nobody is logged out and nobody is told to be', async (_, old) => {
    const app = await serve(
      appWith(sessions({ client, prefix, secret: SECRET, migrateFrom: old, ...PATIENT }), commonActs),
    );
    const reply = await app.get('/read', { cookie: cookieOf('id') });
    expect([reply.status, reply.headers['set-cookie']]).toEqual([503, undefined]);
    const error = await storeFrom(old)
      .get('id')
      .catch((caught) => caught);
    expect(error).toMatchObject({ code: 'ERS_OLD_STORE_FAILED' });
    await expect(storeFrom(old).destroy('id')).rejects.toMatchObject({ code: 'ERS_OLD_STORE_FAILED' });
    await plant(client, `${prefix}here`, { user: 'ada' });
    expect((await app.get('/read', { cookie: cookieOf('here') })).json()).toMatchObject({ user: 'ada' });
    expect((await app.get('/read')).status).toBe(200);
  });

  it('to destroy what has moved, the session is served from here', async () => {
    const old = new PromiseStore();
    old.kept.set('id', session({ user: 'ada' }));
    const destroy = jest.spyOn(old, 'destroy').mockRejectedValue(new Error('down'));
    expect(await storeFrom(old).get('id')).toMatchObject({ user: 'ada' });
    expect(await storeFrom(old).get('id')).toMatchObject({ user: 'ada' });
    expect(destroy).toHaveBeenCalledTimes(1);
  });

  it('a file that is not there is a session that is not there', async () => {
    const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' });
    const files: OldStore = { get: (_sid, done) => done(missing), destroy: (_sid, done) => done(missing) };
    expect(await storeFrom(files).get('id')).toBeNull();
    await storeFrom(files).destroy('id');
  });
});

it('what is no session, or has ended, does not move', async () => {
  const old = new PromiseStore();
  old.kept.set('text', 'eve' as never);
  old.kept.set('cookie', { cookie: { path: '/; Domain=evil.example' } } as never);
  old.kept.set('ended', { cookie: { expires: new Date(0) } } as never);
  for (const sid of old.kept.keys()) expect(await storeFrom(old).get(sid)).toBeNull();
  expect(await client.keys(`${prefix}*`)).toEqual([]);
});

it("a user's sessions that have moved are listed and revoked", async () => {
  const old = new PromiseStore();
  old.kept.set('id', session({ user: 'ada' }));
  const store = storeFrom(old, { userId: (data) => (data as { user?: string }).user });
  await store.get('id');
  expect(await store.list('ada')).toHaveLength(1);
  await store.revokeAll('ada');
  expect(await store.get('id')).toBeNull();
});

it.each([{}, { get() {} }, 'store', 7])('%j is refused', (migrateFrom) => {
  expect(() => storeFrom(migrateFrom as never)).toThrow(
    expect.objectContaining({ code: 'ERS_INVALID_OPTION' }),
  );
});
