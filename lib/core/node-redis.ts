/** The `redis` package (5 and later) behind our interface: its client, pool, sentinel and cluster. */
import type { Redis, RedisArgument, ReplyType } from './redis.js';

interface EvalOptions {
  keys: string[];
  arguments: RedisArgument[];
}

/** The part of node-redis that we use. Structural, so that any 5 or 6 fits, whatever its generics. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady?: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: an EventEmitter's listener, as node:events types it
  on(event: string, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: generic over the caller's mapping in node-redis
  withTypeMapping(mapping: any): any;
  evalSha(sha: string, options: EvalOptions): Promise<unknown>;
  eval(lua: string, options: EvalOptions): Promise<unknown>;
}

/** Commands that every kind has, with the replies that `bytes` and `text` mappings give. */
interface NodeRedisCommands extends NodeRedisClient {
  get(key: string): Promise<string | null>;
  hmGet(key: string, fields: string[]): Promise<(Buffer | null)[]>;
  unlink(key: string): Promise<number>;
  exists(key: string): Promise<number>;
  ping(): Promise<unknown>;
  scanIterator(options: { MATCH: string; COUNT: number }): AsyncIterable<string[] | string>;
}

interface NodeRedisCluster extends NodeRedisCommands {
  readonly masters: readonly unknown[];
  nodeClient(node: unknown): Promise<NodeRedisCommands> | NodeRedisCommands;
}

/** RESP type `$`, the bulk string, as `RESP_TYPES.BLOB_STRING` of node-redis spells it. */
const BLOB_STRING = 36;
const PROBE_KEY = 'express-redis-suite:probe';

export function isNodeRedis(client: unknown): client is NodeRedisClient {
  const { withTypeMapping, evalSha, on } = Object(client) as Partial<NodeRedisClient>;
  return [withTypeMapping, evalSha, on].every((method) => typeof method === 'function');
}

export function fromNodeRedis(client: NodeRedisClient): Redis {
  // The user may have mapped types on the client; our replies must not depend on it.
  const text = client.withTypeMapping({}) as NodeRedisCommands;
  const bytes = client.withTypeMapping({
    [BLOB_STRING]: Buffer,
  }) as NodeRedisCommands;
  const as = (reply: ReplyType) => (reply === 'bytes' ? bytes : text);

  return {
    // A pool has no isReady; an open one connects on demand.
    isReady: () => client.isReady ?? client.isOpen,
    evalSha: (sha, keys, args, reply) =>
      as(reply).evalSha(sha, {
        keys: keys as string[],
        arguments: args as RedisArgument[],
      }),
    eval: (lua, keys, args, reply) =>
      as(reply).eval(lua, {
        keys: keys as string[],
        arguments: args as RedisArgument[],
      }),
    get: (key) => text.get(key),
    hmGet: (key, fields) => bytes.hmGet(key, fields as string[]),
    unlink: (key) => text.unlink(key),
    ping: () => (typeof text.ping === 'function' ? text.ping() : text.exists(PROBE_KEY)),
    scan: (pattern, count) => scanNodes(client as NodeRedisCommands, pattern, count),
  };
}

async function* scanNodes(
  client: NodeRedisCommands,
  pattern: string,
  count: number,
): AsyncIterable<string[]> {
  for await (const node of nodesOf(client)) {
    for await (const page of node.scanIterator({
      MATCH: pattern,
      COUNT: count,
    })) {
      yield Array.isArray(page) ? page : [page];
    }
  }
}

async function* nodesOf(client: NodeRedisCommands): AsyncIterable<NodeRedisCommands> {
  if (!('masters' in client)) return yield client;
  const cluster = client as NodeRedisCluster;
  for (const master of cluster.masters) yield await cluster.nodeClient(master);
}
