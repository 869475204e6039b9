/** A slot moves from one node of a cluster to another, as when nodes are added: sessions in it stay, and are served. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SessionData } from 'express-session';
import { RedisSessionStore } from '../../lib/session/index.js';
import { onTestEnd } from '../support/cleanup.js';
import { type ClientKind, clientKinds, type Servers } from '../support/client-kinds.js';
import { ask } from '../support/redis.js';
import { type RedisCluster, startCluster } from '../support/redis-topologies.js';

const STARTED_WITHIN_MS = 60_000;
const kinds = clientKinds
  .filter(({ server }) => server === 'cluster')
  .map((kind) => [kind.name, kind] as const);
let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startCluster();
}, STARTED_WITHIN_MS);

afterAll(() => cluster.stop(), STARTED_WITHIN_MS);

test.each(kinds)('%s: who comes while the slot is moving waits for it', async (name, kind) => {
  const sid = `moves-${name.replace(/\W/g, '-')}`;
  const { read, save } = await openStore(kind);
  await save(sid);
  const slot = await slotOf(`sess:${sid}`);
  await slot.begin();
  const early = read(sid);
  await sleep(40);
  await slot.moveKey();
  const later = read(sid);
  await sleep(40);
  await slot.end();
  expect([await early, await later, await read(sid)]).toEqual([sid, sid, sid]);
});

test('a slot that does not get through is no session lost, but an error', async () => {
  const [, kind] = kinds[0] as (typeof kinds)[number];
  const { read, save } = await openStore(kind);
  await save('stuck');
  const slot = await slotOf('sess:stuck');
  await slot.begin();
  await expect(read('stuck')).rejects.toMatchObject({ code: 'ERS_REDIS_REFUSED' });
  await slot.moveKey();
  await slot.end();
  expect(await read('stuck')).toBe('stuck');
});

async function openStore(kind: ClientKind) {
  const opened = kind.open({ cluster } as Servers);
  onTestEnd(opened.close);
  await opened.connect();
  const store = new RedisSessionStore({ client: opened.client, deadlineMs: 5_000 });
  const session = (mark: string) => ({ cookie: { originalMaxAge: 60_000, path: '/' }, mark }) as never;
  return {
    save: (sid: string) =>
      new Promise<void>((resolve, reject) =>
        store.set(sid, session(sid), (error?: unknown) => (error ? reject(error) : resolve())),
      ),
    read: (sid: string) =>
      new Promise<unknown>((resolve, reject) =>
        store.get(sid, (error: unknown, found?: SessionData | null) =>
          error ? reject(error) : resolve((found as { mark?: string } | null)?.mark),
        ),
      ),
  };
}

/** Moves the slot of a key to the next node, step by step. */
async function slotOf(key: string) {
  const urls = cluster.nodes.map(({ url }) => url);
  const [first = ''] = urls;
  const slot = String(await ask(first, ['CLUSTER', 'KEYSLOT', key]));
  const ids = (await Promise.all(urls.map((url) => ask(url, ['CLUSTER', 'MYID'])))) as string[];
  const owners = await Promise.all(
    urls.map((url) => ask(url, ['CLUSTER', 'COUNTKEYSINSLOT', slot]).then(Number)),
  );
  const from = owners.findIndex((keys) => keys > 0);
  const to = (from + 1) % urls.length;
  const [source, target] = [urls[from] as string, urls[to] as string];
  return {
    async begin() {
      await ask(target, ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[from] as string]);
      await ask(source, ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[to] as string]);
    },
    moveKey: () => ask(source, ['MIGRATE', '127.0.0.1', String(cluster.ports[to]), key, '0', '5000']),
    async end() {
      for (const url of [target, source, ...urls])
        await ask(url, ['CLUSTER', 'SETSLOT', slot, 'NODE', ids[to] as string]);
    },
  };
}
