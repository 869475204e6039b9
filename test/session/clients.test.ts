/** One contract, every kind of client. */
import { describe, expect, it } from '@jest/globals';
import { RedisSessionStore, type RedisSessionStoreOptions } from 'express-redis-suite/session';
import type { SessionData } from 'express-session';
import { onTestEnd } from '../support/cleanup.js';
import { clientKinds, startServers } from '../support/client-kinds.js';
import { uniqueNamespace } from '../support/redis.js';
import { AN_HOUR, type AnySession } from './support.js';

const servers = startServers();

const session = (fields: object = {}) => ({ cookie: { originalMaxAge: AN_HOUR }, ...fields }) as SessionData;

describe.each(clientKinds)('$name', (kind) => {
  async function start(options: Partial<RedisSessionStoreOptions> = {}, keyPrefix = `${uniqueNamespace()}:`) {
    const { client, connect, close } = kind.open(servers, keyPrefix);
    client.on('error', () => {});
    onTestEnd(close);
    await connect();
    const store = new RedisSessionStore({
      client,
      prefix: `${uniqueNamespace()}:`,
      deadlineMs: 5000,
      ...options,
    });
    // A cluster or pool opens its connections with the first command.
    await store.get('nobody');
    return store;
  }

  it('reads, saves, touches, destroys, lists and clears', async () => {
    const store = await start();
    const ids = Array.from({ length: 20 }, (_, i) => `id-${i}`);
    await Promise.all(ids.map((id) => store.set(id, session({ id }))));
    expect(await store.get('id-7')).toMatchObject({ id: 'id-7' });
    await store.touch('id-7', session());
    await store.destroy('id-7');
    expect(await store.get('id-7')).toBeNull();
    expect(await store.length()).toBe(19);
    expect(await store.all()).toHaveLength(19);
    await store.clear();
    expect(await store.ids()).toEqual([]);
  });

  it('merges saves that meet, and brings nothing back', async () => {
    const store = await start();
    await store.set('id', session());
    const load = async () =>
      store.createSession(
        { sessionID: 'id', sessionStore: store } as never,
        (await store.get('id')) as SessionData,
      );
    const save = (loaded: unknown) => store.set('id', loaded as SessionData);
    const [a, b] = (await Promise.all([load(), load()])) as unknown as [AnySession, AnySession];
    Object.assign(a, { a: 'ä' });
    Object.assign(b, { b: 2 });
    await Promise.all([save(a), save(b)]);
    expect(await store.get('id')).toMatchObject({ a: 'ä', b: 2 });
    await store.destroy('id');
    await save(a);
    expect(await store.get('id')).toBeNull();
  });

  it('hashes, encrypts, ends and moves sessions, under ids of any characters', async () => {
    const secrets = ['a secret of thirty-two bytes or more', 'another secret of 32 bytes or more'] as const;
    const prefix = `${uniqueNamespace()}:`;
    const startHere = (options: Partial<RedisSessionStoreOptions>) => start({ prefix, ...options }, 'shop:');
    const absoluteTtlMs = AN_HOUR;
    const plain = await startHere({ absoluteTtlMs });
    const sealed = await startHere({
      hashIds: secrets[1],
      encryption: { keys: secrets },
      migrateFrom: plain,
    });
    const rotated = await startHere({ hashIds: secrets, encryption: { keys: secrets }, absoluteTtlMs });
    for (const id of ['id', 'a{b}c', 'ä b', 'x'.repeat(300)]) {
      await plain.set(id, session({ id }));
      expect(await plain.get(id)).toMatchObject({ id });
      expect(await sealed.get(id)).toMatchObject({ id });
      expect(await plain.get(id)).toBeNull();
      expect(await rotated.get(id)).toMatchObject({ id });
      await rotated.destroy(id);
      expect(await rotated.get(id)).toBeNull();
    }
  });
});
