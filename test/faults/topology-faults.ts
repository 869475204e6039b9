/** What can go wrong where there are several: a failover, a node that dies, slots that move from node to node. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, connect } from '../support/redis.js';
import type { RedisServer } from '../support/redis-server.js';
import type { RedisSentinel } from '../support/redis-topologies.js';
import { until } from '../support/until.js';
import type { Fault } from './harness.js';

const TAKEN_OVER_WITHIN_MS = 20_000;
const REJOINED_WITHIN_MS = 20_000;
const BETWEEN_LOOKS_MS = 250;
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
      await until(async () => {
        // A look takes work, which the app would have to wait for.
        await sleep(BETWEEN_LOOKS_MS);
        return cluster.isWell();
      }, REJOINED_WITHIN_MS);
    },
  };
}

function resharded(client: 'node-redis cluster' | 'ioredis cluster'): Fault {
  return {
    name: `all keys of one node moved to another and back: ${client}`,
    ground: 'cluster',
    client,
    // Nobody is away. A script whose keys lie on both sides is told TRYAGAIN, and ioredis then waits for 100 ms.
    isHarmless: true,
    inUseWithinMs: IN_USE_WITHIN_MS,
    async strike({ cluster }) {
      // A connection for each command would take more work than the app's requests.
      const nodes = await Promise.all(cluster.nodes.map(nodeOf));
      const [one, other] = nodes as [Node, Node];
      await moveKeys(nodes, one, other);
      await moveKeys(nodes, other, one);
    },
  };
}

interface Node {
  readonly id: string;
  readonly port: number;
  ask(...command: string[]): Promise<unknown>;
}

async function nodeOf({ url, port }: RedisServer): Promise<Node> {
  const client = await connect(url);
  const askIt = (...command: string[]) => client.sendCommand(command);
  return { id: String(await askIt('CLUSTER', 'MYID')), port, ask: askIt };
}

/** As redis-cli --cluster reshard does it, slot by slot, while they are in use. */
async function moveKeys(nodes: readonly Node[], from: Node, to: Node): Promise<void> {
  for (const slot of await slotsInUse(from)) {
    await to.ask('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.ask('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
    await sleep(IN_BETWEEN_MS);
    for (let keys = await keysIn(from, slot); keys.length > 0; keys = await keysIn(from, slot)) {
      await from.ask('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys);
      await sleep(IN_BETWEEN_MS);
    }
    for (const node of [to, from, ...nodes]) await node.ask('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
  }
}

async function slotsInUse(node: Node): Promise<ReadonlySet<string>> {
  const keys = (await node.ask('KEYS', '*')) as string[];
  const slots = await Promise.all(keys.map((key) => node.ask('CLUSTER', 'KEYSLOT', key)));
  return new Set(slots.map(String));
}

/** Three at a time, so that a slot is in between for a while. */
async function keysIn(node: Node, slot: string): Promise<string[]> {
  return (await node.ask('CLUSTER', 'GETKEYSINSLOT', slot, '3')) as string[];
}
