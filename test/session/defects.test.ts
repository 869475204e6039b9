/** What is wrong in connect-redis 9 and right here: every case runs on both, and each side shows what it does. */
import { describe, expect, it } from '@jest/globals';
import { RedisStore } from 'connect-redis';
import { RedisSessionStore } from 'express-redis-suite/session';
import expressSession from 'express-session';
import { Redis } from 'ioredis';
import { createClientPool } from 'redis';
import { createCluster } from 'redis-5';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import { commandsDuring, connect, uniqueNamespace } from '../support/redis.js';
import { RedisServer, sharedRedisUrl } from '../support/redis-server.js';
import { startCluster } from '../support/redis-topologies.js';
import { A_MINUTE, AN_HOUR, appWith, commonActs, cookieOf, plant, SECRET, TWO_WEEKS } from './support.js';

type Options = ConstructorParameters<typeof RedisStore>[0];
type Make = (options: Options) => RedisStore;

interface Defect {
  readonly name: string;
  /** What one sees. */
  see(make: Make): Promise<unknown>;
  readonly here: unknown;
  readonly there: unknown;
}

const session = (fields: object = {}) => ({ cookie: { originalMaxAge: AN_HOUR }, ...fields }) as never;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** What `work` comes to: its result, or the name of its error, or 'nothing' within `ms`. */
async function outcome(work: Promise<unknown>, ms = 5000): Promise<unknown> {
  const failed = (error: Error & { code?: string }) => error.code ?? error.name;
  return Promise.race([work.catch(failed), sleep(ms).then(() => 'nothing')]);
}

async function appOn(make: Make, prefix: string) {
  const client = await connect();
  const store = make({ client, prefix });
  const settings = {
    store,
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: AN_HOUR },
  };
  return { client, app: await serve(appWith(expressSession(settings), commonActs)) };
}

const defects: readonly Defect[] = [
  {
    name: 'D1 a session in use, saved after the date of its last save, is logged out',
    async see(make) {
      const prefix = `${uniqueNamespace()}:`;
      const { client, app } = await appOn(make, prefix);
      const expires = new Date(Date.now() - 300).toISOString();
      await plant(client, `${prefix}id`, { user: 'ada' }, { originalMaxAge: 2000, expires }, A_MINUTE);
      await app.get('/save', { cookie: cookieOf('id') });
      return client.exists(`${prefix}id`);
    },
    here: 1,
    there: 0,
  },
  {
    name: 'D2 a cookie lifetime of two weeks is an hour again after the next request',
    async see(make) {
      const prefix = `${uniqueNamespace()}:`;
      const { client, app } = await appOn(make, prefix);
      await plant(client, `${prefix}id`, { user: 'ada' });
      await app.get(`/lifetime/${TWO_WEEKS}`, { cookie: cookieOf('id') });
      await app.get('/read', { cookie: cookieOf('id') });
      return (await client.pTTL(`${prefix}id`)) > TWO_WEEKS / 2;
    },
    here: true,
    there: false,
  },
  {
    name: 'D3 a callback that throws is called twice',
    async see(make) {
      let calls = 0;
      const store = make({ client: await connect() });
      const work = store.get(uniqueNamespace(), () => {
        calls += 1;
        throw new Error('of the callback');
      });
      await expect(work).rejects.toThrow('of the callback');
      return calls;
    },
    here: 1,
    there: 2,
  },
  {
    name: 'D4 an asynchronous stringify is a TypeError',
    async see(make) {
      const serializer = { parse: JSON.parse, stringify: async (data: unknown) => JSON.stringify(data) };
      const store = make({
        client: await connect(),
        prefix: `${uniqueNamespace()}:`,
        serializer: serializer as never,
      });
      return outcome(store.set('id', session()));
    },
    here: null,
    there: 'TypeError',
  },
  {
    name: 'D4 all() does not await parse',
    async see(make) {
      const serializer = { parse: async (text: string) => JSON.parse(text), stringify: JSON.stringify };
      const store = make({ client: await connect(), prefix: `${uniqueNamespace()}:`, serializer });
      await store.set('id', session({ user: 'ada' }));
      const [only] = await store.all();
      return only.user;
    },
    here: 'ada',
    there: undefined,
  },
  {
    name: 'D4 one corrupt value fails all()',
    async see(make) {
      const client = await connect();
      const prefix = `${uniqueNamespace()}:`;
      const store = make({ client, prefix });
      await store.set('id', session());
      await client.set(`${prefix}corrupt`, '{not json', { PX: A_MINUTE });
      return outcome(store.all().then((all) => all.length));
    },
    here: 1,
    there: 'SyntaxError',
  },
  {
    name: 'D5 a prefix with glob characters misses its own keys',
    async see(make) {
      const store = make({ client: await connect(), prefix: `${uniqueNamespace()}[1]*?\\:` });
      await store.set('id', session());
      return store.ids();
    },
    here: ['id'],
    there: [],
  },
  {
    name: 'D5 clear() of a prefix clears longer prefixes too',
    async see(make) {
      const client = await connect();
      const prefix = `${uniqueNamespace()}:`;
      const [users, admins] = [make({ client, prefix }), make({ client, prefix: `${prefix}admin:` })];
      await admins.set('root', session());
      await users.set('ada', session());
      await users.clear();
      return [await users.length(), await admins.length()];
    },
    here: [0, 1],
    there: [0, 0],
  },
  {
    name: "D5 clear() with the prefix '' wipes everything",
    async see(make) {
      const server = await RedisServer.start();
      const client = await connect(server.url);
      await client.set('stock', '7');
      await client.hSet('settings', 'theme', 'dark');
      const store = make({ client, prefix: '' });
      await store.set('id', session());
      await store.clear();
      return (await client.keys('*')).sort();
    },
    here: ['settings', 'stock'],
    there: [],
  },
  {
    name: 'D6 a ttl of 1.5 seconds is an error',
    async see(make) {
      const store = make({ client: await connect(), prefix: `${uniqueNamespace()}:`, ttl: 1.5 });
      return outcome(store.set('id', { cookie: {} } as never));
    },
    here: null,
    there: 'Error',
  },
  {
    name: 'D6 a ttl() of 0 in touch() deletes',
    async see(make) {
      let ttl = 60;
      const store = make({ client: await connect(), prefix: `${uniqueNamespace()}:`, ttl: () => ttl });
      await store.set('id', session());
      ttl = 0;
      await store.touch('id', session());
      return (await store.get('id')) !== null;
    },
    here: true,
    there: false,
  },
  {
    name: 'D6 a ttl of 0 means a day, without a word',
    async see(make) {
      const client = await connect();
      return outcome(Promise.resolve().then(() => make({ client, ttl: 0 }).ttl));
    },
    here: 'ERS_INVALID_OPTION',
    there: 86_400,
  },
  {
    name: 'D7 length() of one session among 100,000 other keys takes about a thousand SCANs',
    async see(make) {
      const server = await RedisServer.start();
      const client = await connect(server.url);
      await client.eval("for i = 1, 100000 do redis.call('SET', 'other:' .. i, i) end");
      const store = make({ client });
      await store.set('id', session());
      const { scan = 0 } = await commandsDuring(client, () => store.length());
      return scan > 50 ? 'many' : 'few';
    },
    here: 'few',
    there: 'many',
  },
  {
    name: 'D8 in a cluster all() and clear() ask for keys of several slots at once',
    async see(make) {
      const { ports, stop } = await startCluster();
      onTestEnd(stop);
      const client = createCluster({
        rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })),
      });
      client.on('error', () => {});
      await client.connect();
      onTestEnd(() => client.destroy());
      const store = make({ client, prefix: 'sess:' });
      for (const id of ['a', 'b', 'c', 'd']) await store.set(id, session());
      const crossed = (error: Error) => /CROSSSLOT/.test(error.message);
      const all = await store.all().then((found) => found.length, crossed);
      return [all, await store.clear().catch(crossed)];
    },
    here: [4, null],
    there: [true, true],
  },
  {
    name: 'D8 a client pool has no scanIterator',
    async see(make) {
      const pool = createClientPool({ url: sharedRedisUrl() });
      pool.on('error', () => {});
      await pool.connect();
      onTestEnd(() => pool.destroy());
      const store = make({ client: pool, prefix: `${uniqueNamespace()}:` });
      await store.set('id', session());
      return outcome(store.ids());
    },
    here: ['id'],
    there: 'TypeError',
  },
  {
    name: 'D8 ioredis fails in set()',
    async see(make) {
      const client = new Redis(sharedRedisUrl(), { lazyConnect: true });
      client.on('error', () => {});
      await client.connect();
      onTestEnd(() => client.disconnect());
      const store = make({ client, prefix: `${uniqueNamespace()}:` });
      return outcome(store.set('id', session()));
    },
    here: null,
    there: 'ReplyError',
  },
  {
    name: 'D9 a Redis that does not answer hangs the request',
    async see(make) {
      const server = await RedisServer.start();
      const store = make({ client: await connect(server.url), ...{ deadlineMs: 250 } });
      await store.get('id').catch(() => {});
      server.freeze();
      const seen = await outcome(store.get('id'), 1500);
      server.thaw();
      return seen;
    },
    here: 'ERS_REDIS_UNAVAILABLE',
    there: 'nothing',
  },
];

describe.each(defects)('$name', ({ see, here, there }) => {
  it('in connect-redis', async () => {
    expect(await see((options) => new RedisStore(options))).toEqual(there);
  });

  it('not here', async () => {
    expect(
      await see((options) => new RedisSessionStore({ deadlineMs: 10_000, ...(options as object) } as never)),
    ).toEqual(here);
  });
});
