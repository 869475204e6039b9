/** What can go wrong where there are several: a failover, a node that dies, slots that move from node to node. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../support/redis.js';
import type { RedisServer } from '../support/redis-server.js';
import type { RedisSentinel } from '../support/redis-topologies.js';
import { until } from '../support/until.js';
import type { Fault, Scene } from './harness.js';

const TAKEN_OVER_WITHIN_MS = 20_000;
const REJOINED_WITHIN_MS = 20_000;
/** Up to the clients, none of which is connectRedis'. */
const IN_USE_WITHIN_MS = 3_000;
/** A slot is in between for so long: some of its keys are here, some there. */
const IN_BETWEEN_MS = 30;

export const topologyFaults: readonly Fault[] = [
  ...(['node-redis sentinel', 'ioredis sentinel'] as const).map(failover),
  ...(['node-redis cluster', 'ioredis cluster'] as const).flatMap((client) => [
    nodeKilled(client),
    resharded(client),
  ]),
];

function failover(client: 'node-redis sentinel' | 'ioredis sentinel'): Fault {
  return {
    name: `master killed, its replica takes over: ${client}`,
    ground: 'sentinel',
    client,
    loses: 'not replicated yet',
    revivesLeases: true,
    inUseWithinMs: IN_USE_WITHIN_MS,
    async strike({ sentinel, redis }) {
      await redis.kill();
      await until(() => hasTakenOver(sentinel), TAKEN_OVER_WITHIN_MS);
    },
    watched: ({ sentinel }) => (sentinel.replica as RedisServer).url,
  };
}

async function hasTakenOver({ port, name, replica }: RedisSentinel): Promise<boolean> {
  const master = await ask(`redis://127.0.0.1:${port}`, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name]);
  return (master as [string, string])[1] === String(replica?.port);
}

function nodeKilled(client: 'node-redis cluster' | 'ioredis cluster'): Fault {
  return {
    name: `one node of three killed, back after 2 s: ${client}`,
    ground: 'cluster',
    client,
    inUseWithinMs: IN_USE_WITHIN_MS,
    async strike({ redis, cluster }) {
      await redis.kill();
      await sleep(2_000);
      await redis.restart();
      await until(cluster.isWell, REJOINED_WITHIN_MS);
    },
  };
}

function resharded(client: 'node-redis cluster' | 'ioredis cluster'): Fault {
  return {
    name: `all keys of one node moved to another and back: ${client}`,
    ground: 'cluster',
    client,
    inUseWithinMs: IN_USE_WITHIN_MS,
    async strike(scene) {
      const [one, other] = scene.cluster.nodes as [RedisServer, RedisServer];
      await moveKeys(scene, one, other);
      await moveKeys(scene, other, one);
    },
  };
}

/** As redis-cli --cluster reshard does it, slot by slot, while they are in use. */
async function moveKeys({ cluster }: Scene, from: RedisServer, to: RedisServer): Promise<void> {
  const [fromId, toId] = await Promise.all([idOf(from), idOf(to)]);
  for (const slot of await slotsInUse(from)) {
    await ask(to.url, ['CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId]);
    await ask(from.url, ['CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId]);
    await sleep(IN_BETWEEN_MS);
    for (let keys = await keysIn(from, slot); keys.length > 0; keys = await keysIn(from, slot)) {
      await ask(from.url, ['MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys]);
      await sleep(IN_BETWEEN_MS);
    }
    for (const node of [to, from, ...cluster.nodes])
      await ask(node.url, ['CLUSTER', 'SETSLOT', slot, 'NODE', toId]);
  }
}

async function idOf({ url }: RedisServer): Promise<string> {
  return String(await ask(url, ['CLUSTER', 'MYID']));
}

async function slotsInUse({ url }: RedisServer): Promise<ReadonlySet<string>> {
  const keys = (await ask(url, ['KEYS', '*'])) as string[];
  const slots = await Promise.all(keys.map((key) => ask(url, ['CLUSTER', 'KEYSLOT', key])));
  return new Set(slots.map(String));
}

/** Three at a time, so that a slot is in between for a while. */
async function keysIn({ url }: RedisServer, slot: string): Promise<string[]> {
  return (await ask(url, ['CLUSTER', 'GETKEYSINSLOT', slot, '3'])) as string[];
}
