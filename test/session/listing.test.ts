/** `ids`, `length`, `all` and `clear`: this store's sessions, all of them, each once, and nothing else. */
import { expect, it } from '@jest/globals';
import { RedisSessionStore } from 'express-redis-suite/session';
import { Redis } from 'ioredis';
import { onTestEnd } from '../support/cleanup.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';
import { A_MINUTE, AN_HOUR, PATIENT, plant } from './support.js';

const session = (fields: object = {}) => ({ cookie: { originalMaxAge: AN_HOUR }, ...fields }) as never;

it('lists a thousand sessions, each once', async () => {
  const store = new RedisSessionStore({
    client: await connect(),
    prefix: `${uniqueNamespace()}:`,
    scanCount: 7,
    ...PATIENT,
  });
  const ids = Array.from({ length: 1000 }, (_, i) => `session-${i}`);
  await Promise.all(ids.map((id) => store.set(id, session())));
  expect((await store.ids()).sort()).toEqual([...ids].sort());
  expect(await store.length()).toBe(1000);
  expect((await store.all()).map(({ id }) => id).sort()).toEqual([...ids].sort());
  await store.clear();
  expect(await store.length()).toBe(0);
});

it('slides nothing by listing', async () => {
  const client = await connect();
  const prefix = `${uniqueNamespace()}:`;
  await plant(client, `${prefix}id`, { user: 'ada' }, {}, A_MINUTE);
  expect(await new RedisSessionStore({ client, prefix, ...PATIENT }).all()).toMatchObject([
    { id: 'id', user: 'ada' },
  ]);
  expect(await client.pTTL(`${prefix}id`)).toBeLessThanOrEqual(A_MINUTE);
});

it('leaves out values that are no sessions, but clears them: they are under its prefix', async () => {
  const client = await connect();
  const prefix = `${uniqueNamespace()}:`;
  const store = new RedisSessionStore({ client, prefix, ...PATIENT });
  await client.hSet(`${prefix}hash`, 'a', '1');
  await client.set(`${prefix}text`, 'x', { PX: A_MINUTE });
  expect(await store.all()).toEqual([]);
  await store.clear();
  expect(await client.exists([`${prefix}hash`, `${prefix}text`])).toBe(0);
});

it('does not mix up prefixes that begin alike', async () => {
  const client = await connect();
  const namespace = uniqueNamespace();
  const prefixes = ['', '*:', '[a]:', '[a', 'admin:', '\\:', '?:'].map((prefix) => `${namespace}:${prefix}`);
  const stores = prefixes.map((prefix) => new RedisSessionStore({ client, prefix, ...PATIENT }));
  for (const store of stores) await store.set('id', session());
  for (const store of stores.slice(1)) expect(await store.ids()).toEqual(['id']);
  await stores[1]?.clear();
  expect(await Promise.all(stores.slice(1).map((store) => store.length()))).toEqual([0, 1, 1, 1, 1, 1]);
});

it('finds its sessions behind a keyPrefix of the client', async () => {
  const keyPrefix = `${uniqueNamespace()}[1]:`;
  const client = new Redis(sharedRedisUrl(), { lazyConnect: true, keyPrefix });
  await client.connect();
  onTestEnd(() => client.disconnect());
  const store = new RedisSessionStore({ client, ...PATIENT });
  await store.set('id', session({ user: 'ada' }));
  expect(await store.ids()).toEqual(['id']);
  expect(await store.all()).toMatchObject([{ id: 'id', user: 'ada' }]);
  await store.clear();
  expect(await client.exists('sess:id')).toBe(0);
});
