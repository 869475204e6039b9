/** The Redis under a stage: one server behind a wire, a cluster, or a master with a replica and a Sentinel. */

import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { onTestEnd } from '../support/cleanup.js';
import { type Wire, wireTo } from '../support/network.js';
import { ask } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import {
  type RedisCluster,
  type RedisSentinel,
  startCluster,
  startSentinel,
} from '../support/redis-topologies.js';
import type { Lane } from './traffic.js';

/** The harness' own user: it gets in when nobody else does. */
const ADMIN = ['--user', 'admin', 'on', 'nopass', '~*', '&*', '+@all'];
const asAdmin = { username: 'admin', password: 'any' };
/** What was confirmed survives a crash of Redis: who loses it nevertheless is somebody else. */
const DURABLE = ['--appendonly', 'yes'];
const BACK_WITHIN_MS = 6_000;

export interface Ground {
  /** Where there is one server, or of Sentinel's the first master. */
  readonly redis: RedisServer;
  readonly wire: Wire;
  readonly cluster: RedisCluster;
  readonly sentinel: RedisSentinel;
  /** How the app finds it. */
  readonly env: Readonly<Record<string, string>>;
  /** Sends a server this command, past the wire. */
  command(...command: string[]): Promise<unknown>;
}

export type GroundKind = 'one server' | 'cluster' | 'sentinel';

export interface GroundSettings {
  readonly kind?: GroundKind | undefined;
  /** Further arguments of redis-server. */
  readonly args?: readonly string[] | undefined;
  /** What is not in a snapshot is gone when Redis is. */
  readonly isForgetful?: boolean | undefined;
}

export async function layGround({ kind, args = [], isForgetful }: GroundSettings): Promise<Ground> {
  if (kind === 'cluster') return layCluster();
  if (kind === 'sentinel') return laySentinel();
  const redis = await RedisServer.start({ args: [...ADMIN, ...(isForgetful ? [] : DURABLE), ...args] });
  onTestEnd(() => redis.stop());
  const wire = await wireTo(redis.port);
  return ground({ redis, wire, env: { REDIS_URL: wire.url } });
}

async function layCluster(): Promise<Ground> {
  const cluster = await startCluster(['--cluster-require-full-coverage', 'no', ...DURABLE, ...ADMIN]);
  onTestEnd(cluster.stop);
  const [redis] = cluster.nodes as [RedisServer];
  return ground({ redis, cluster, env: { REDIS_PORTS: cluster.ports.join() } });
}

async function laySentinel(): Promise<Ground> {
  const sentinel = await startSentinel({ hasReplica: true, args: ADMIN });
  onTestEnd(sentinel.stop);
  return ground({ redis: sentinel.master, sentinel, env: { REDIS_PORTS: String(sentinel.port) } });
}

/** A fault that asks for what is not there was tried on the wrong ground. */
function ground(given: Partial<Ground> & Pick<Ground, 'redis' | 'env'>): Ground {
  const missing = undefined as never;
  return {
    wire: missing,
    cluster: missing,
    sentinel: missing,
    command: (...command) => ask(given.redis.url, command, asAdmin),
    ...given,
  };
}

/** For each lane with keys, from now until Redis itself sees a command of it. */
export async function msUntilInUse(url: string, lanes: readonly Lane[]): Promise<ReadonlyMap<Lane, number>> {
  const since = performance.now();
  const seen = new Map<Lane, number>();
  const watched = lanes.filter(({ keys }) => keys !== undefined);
  const client = createClient({ url, ...asAdmin, socket: { reconnectStrategy: 5 } });
  client.on('error', () => {});
  await client.connect();
  await client.monitor((line) => {
    for (const lane of watched) {
      if (!seen.has(lane) && String(line).includes(`"${lane.keys}`))
        seen.set(lane, performance.now() - since);
    }
  });
  while (performance.now() - since < BACK_WITHIN_MS && seen.size < watched.length) await sleep(5);
  client.destroy();
  return seen;
}
