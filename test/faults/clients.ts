/** The clients that apps come with: connectRedis' own, a user's, and those of clusters and sentinels. */

import { connectRedis } from 'express-redis-suite/redis';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster, createSentinel } from 'redis';
import type { RedisClient } from '../../lib/core/client.js';

export type ClientKind =
  | 'connectRedis'
  | 'plain'
  | 'node-redis cluster'
  | 'ioredis cluster'
  | 'node-redis sentinel'
  | 'ioredis sentinel';

/** @param ports of a cluster's nodes, or of the Sentinel; `url` where there is one Redis. */
export async function openClient(
  kind: ClientKind,
  url: string,
  ports: readonly number[],
): Promise<RedisClient> {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }));
  const sockets = nodes.map((socket) => ({ socket: { ...socket, reconnectStrategy: RETRY } }));
  switch (kind) {
    case 'connectRedis':
      return connectRedis({ url });
    // As in the README of redis, and without an `error` listener.
    case 'plain':
      return connected(createClient({ url }));
    case 'node-redis cluster':
      return connected(
        createCluster({ rootNodes: sockets, defaults: { socket: { reconnectStrategy: RETRY } } }),
      );
    case 'node-redis sentinel':
      return connected(
        createSentinel({
          name: 'main',
          sentinelRootNodes: nodes,
          nodeClientOptions: { socket: { reconnectStrategy: RETRY } },
        }),
      );
    case 'ioredis cluster':
      return new Cluster(nodes);
    case 'ioredis sentinel':
      return new Redis({ name: 'main', sentinels: nodes, retryStrategy: RETRY });
  }
}

const RETRY = () => 50;

function connected(client: { connect(): Promise<unknown> }): RedisClient {
  void client.connect().catch(() => {});
  return client as unknown as RedisClient;
}
