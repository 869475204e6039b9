/** One node of a cluster may be away: its keys fail at once, those of the others go on, with every kind of client. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Guard, guardRedis } from '../../lib/core/guard.js';
import { slotOf } from '../../lib/core/slot.js';
import { onTestEnd } from '../support/cleanup.js';
import { clientKinds, type Servers } from '../support/client-kinds.js';
import { ask } from '../support/redis.js';
import type { RedisServer } from '../support/redis-server.js';
import { type RedisCluster, startCluster } from '../support/redis-topologies.js';
import { until } from '../support/until.js';

const DEADLINE_MS = 200;
const IN_USE_AGAIN_MS = 10_000;
const clients = clientKinds.filter(({ server }) => server === 'cluster');

let cluster: RedisCluster;
beforeAll(async () => {
  // The keys of the other nodes are served also when it is known that one is down.
  cluster = await startCluster(['--cluster-require-full-coverage', 'no']);
}, 30_000);
afterAll(() => cluster.stop());

test('the slot of a key is the one that Redis says', async () => {
  const keys = [
    '',
    'key',
    '{tag}key',
    'a{tag}b{c}',
    '{}key',
    'a{}{tag}',
    '{{tag}}',
    '{open',
    'ключ {é}',
    'x'.repeat(200),
  ];
  for (const key of keys) {
    expect([key, slotOf(key)]).toEqual([key, await ask(cluster.nodes[0]!.url, ['CLUSTER', 'KEYSLOT', key])]);
  }
});

interface Trouble {
  readonly name: string;
  strike(node: RedisServer): unknown;
  mend(node: RedisServer): unknown;
}

const troubles: readonly Trouble[] = [
  { name: 'frozen', strike: (node) => node.freeze(), mend: (node) => node.thaw() },
  { name: 'killed', strike: (node) => node.kill(), mend: (node) => node.restart() },
];

describe.each(troubles)('while a node is $name', ({ strike, mend }) => {
  test.each(clients)('its keys fail at once, and only they, until it is back: $name', async (kind) => {
    const { client, connect, close } = kind.open({ cluster } as Servers);
    onTestEnd(close);
    await until(cluster.isWell);
    await connect();
    const guard = guardRedis(client, { feature: 'nodes', deadlineMs: DEADLINE_MS });
    const keys = await keysOfNodes(guard);
    const [node] = cluster.nodes as [RedisServer];
    const [lost, ...others] = cluster.nodes.map(({ port }) => keys.get(port)) as [string, ...string[]];

    await strike(node);
    onTestEnd(() => mend(node));
    const first = await Promise.all(Array.from({ length: 5 }, () => succeeds(guard, lost)));
    expect(first).not.toContain(true);
    const startedAt = performance.now();
    for (let call = 0; call < 100; call += 1) {
      await expect(look(guard, lost)).rejects.toMatchObject({ code: 'ERS_REDIS_UNAVAILABLE' });
      for (const key of others) await look(guard, key);
    }
    // A fifth of what it takes when each call to the lost node waits for its deadline.
    expect(performance.now() - startedAt).toBeLessThan((100 * DEADLINE_MS) / 5);
    expect([guard.isUsable(lost), ...others.map((key) => guard.isUsable(key))]).toEqual([false, true, true]);

    await mend(node);
    await until(() => succeeds(guard, lost), IN_USE_AGAIN_MS);
  });
});

const look = (guard: Guard, key: string) => guard.run((redis) => redis.get(key), key);
const succeeds = (guard: Guard, key: string) =>
  look(guard, key).then(
    () => true,
    () => false,
  );

/** A key of each node, by the node's port; all of them have been asked for. */
async function keysOfNodes(guard: Guard): Promise<ReadonlyMap<number, string>> {
  const keys = new Map<number, string>();
  for (let id = 0; keys.size < cluster.nodes.length; id += 1) {
    const key = `nodes:${id}`;
    await until(() => succeeds(guard, key));
    const port = Number(guard.redis.nodeOf(key)?.split(':').at(-1));
    if (!keys.has(port)) keys.set(port, key);
  }
  return keys;
}
