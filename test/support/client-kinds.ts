/** Every kind of client that `client` may be, from both packages in both supported majors, for one contract test over all. */
import { afterAll, beforeAll } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5';
import * as redis6 from 'redis';
import * as redis5 from 'redis-5';
import type { RedisClient } from '../../lib/core/client.js';
import { RedisServer } from './redis-server.js';
import { type RedisCluster, type RedisSentinel, startCluster, startSentinel } from './redis-topologies.js';

/** Where a kind of client connects to. */
export interface Servers {
  readonly single: RedisServer;
  readonly cluster: RedisCluster;
  readonly sentinel: RedisSentinel;
}

const STARTED_WITHIN_MS = 60_000;

/** One of each, for the tests of one file: they run from before the first test until after the last. */
export function startServers(): Servers {
  const servers = {} as { -readonly [Kind in keyof Servers]: Servers[Kind] };
  beforeAll(async () => {
    const started = await Promise.all([RedisServer.start(), startCluster(), startSentinel()]);
    [servers.single, servers.cluster, servers.sentinel] = started;
  }, STARTED_WITHIN_MS);
  afterAll(async () => {
    await Promise.all([servers.single, servers.cluster, servers.sentinel].map((server) => server?.stop()));
  }, STARTED_WITHIN_MS);
  return servers;
}

export interface Opened {
  readonly client: RedisClient;
  /** As its user connects it; a lazy ioredis client connects at the first command instead. */
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface ClientKind {
  readonly name: string;
  readonly server: keyof Servers;
  /** Not connected yet. Keys get `keyPrefix` where the package has such an option. */
  open(servers: Servers, keyPrefix?: string): Opened;
  readonly hasKeyPrefix: boolean;
}

export const clientKinds: readonly ClientKind[] = [
  ...nodeRedisKinds('redis 6', redis6, true),
  ...nodeRedisKinds('redis 5', redis5 as unknown as typeof redis6, false),
  ...ioredisKinds('ioredis 6', Redis, Cluster),
  ...ioredisKinds('ioredis 5', Redis5 as unknown as typeof Redis, Cluster5 as unknown as typeof Cluster),
];

function nodeRedisKinds(version: string, redis: typeof redis6, hasKeyPrefix: boolean): ClientKind[] {
  const kind = (
    name: string,
    server: keyof Servers,
    create: (servers: Servers, options: object) => NodeRedis,
  ) => ({
    name: `${version} ${name}`,
    server,
    hasKeyPrefix,
    open(servers: Servers, keyPrefix?: string): Opened {
      const client = create(servers, hasKeyPrefix && keyPrefix !== undefined ? { keyPrefix } : {});
      return {
        client,
        connect: () => client.connect(),
        close: async () => client.isOpen && (await client.destroy()),
      };
    },
  });
  // A new object each time: createClient writes the url's host and port into it.
  const socket = () => ({ reconnectStrategy: () => 50 });
  const node = (port: number) => ({ socket: { host: '127.0.0.1', port, ...socket() } });
  return [
    kind('client', 'single', ({ single }, options) =>
      asNodeRedis(redis.createClient({ url: single.url, socket: socket(), ...options })),
    ),
    kind('pool', 'single', ({ single }, options) =>
      asNodeRedis(redis.createClientPool({ url: single.url, socket: socket(), ...options })),
    ),
    kind('cluster', 'cluster', ({ cluster }, options) =>
      asNodeRedis(
        redis.createCluster({
          rootNodes: cluster.ports.map(node),
          defaults: { socket: socket() },
          ...options,
        }),
      ),
    ),
    kind('sentinel', 'sentinel', ({ sentinel }, options) =>
      asNodeRedis(
        redis.createSentinel({
          name: sentinel.name,
          sentinelRootNodes: [{ host: '127.0.0.1', port: sentinel.port }],
          nodeClientOptions: { socket: socket() },
          ...options,
        }),
      ),
    ),
  ];
}

type NodeRedis = RedisClient & { readonly isOpen: boolean; connect(): Promise<unknown>; destroy(): unknown };

function asNodeRedis(client: NodeRedis): NodeRedis {
  return client;
}

function ioredisKinds(version: string, Single: typeof Redis, ClusterOf: typeof Cluster): ClientKind[] {
  const lazy = (keyPrefix?: string) => ({
    lazyConnect: true,
    // By default a timer of two seconds outlives each client that was told to disconnect.
    disconnectTimeout: 100,
    ...(keyPrefix === undefined ? {} : { keyPrefix }),
  });
  const opened = (client: Redis | Cluster): Opened => ({
    client,
    connect: () => (client.status === 'wait' ? client.connect() : Promise.resolve()),
    close: async () => client.disconnect(),
  });
  return [
    {
      name: `${version} client`,
      server: 'single',
      hasKeyPrefix: true,
      open: ({ single }, keyPrefix) =>
        opened(new Single(single.port, '127.0.0.1', { ...lazy(keyPrefix), retryStrategy: () => 50 })),
    },
    {
      name: `${version} cluster`,
      server: 'cluster',
      hasKeyPrefix: true,
      open: ({ cluster }, keyPrefix) =>
        opened(
          new ClusterOf(
            cluster.ports.map((port) => ({ host: '127.0.0.1', port })),
            { ...lazy(keyPrefix), clusterRetryStrategy: () => 50 },
          ),
        ),
    },
    {
      name: `${version} sentinel`,
      server: 'sentinel',
      hasKeyPrefix: true,
      open: ({ sentinel }, keyPrefix) =>
        opened(
          new Single({
            name: sentinel.name,
            sentinels: [{ host: '127.0.0.1', port: sentinel.port }],
            ...lazy(keyPrefix),
            retryStrategy: () => 50,
          }),
        ),
    },
  ];
}
