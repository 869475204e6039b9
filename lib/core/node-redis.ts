/** The `redis` package (5.12 and later) behind our interface: its client, pool, sentinel and cluster. */
import { withinDeadline } from './deadline.js';
import { type Redis, type RedisArgument, type ReplyType, SUBSCRIBED_WITHIN_MS, timeUs } from './redis.js';
import { type ScanStep, scanKeys } from './scan.js';
import { slotOf } from './slot.js';

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
  // biome-ignore lint/suspicious/noExplicitAny: an EventEmitter's listener, as node:events types it
  off(event: string, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: generic over the caller's mapping in node-redis
  withTypeMapping(mapping: any): any;
  // biome-ignore lint/suspicious/noExplicitAny: generic over the caller's options in node-redis
  withCommandOptions(options: any): any;
  evalSha(sha: string, options: EvalOptions): Promise<unknown>;
  eval(lua: string, options: EvalOptions): Promise<unknown>;
}

/** Commands that every kind has, with the replies that `bytes` and `text` mappings give. */
interface NodeRedisCommands extends NodeRedisClient {
  /** The option `keyPrefix` of redis 6; its own SCAN does not add it. */
  readonly _keyPrefix?: string;
  get(key: string): Promise<string | null>;
  hmGet(key: string, fields: string[]): Promise<(Buffer | null)[]>;
  unlink(key: string): Promise<number>;
  exists(key: string): Promise<number>;
  ping(): Promise<unknown>;
  scan(
    cursor: string,
    options: { MATCH: string; COUNT: number },
  ): Promise<{ cursor: string; keys: string[] }>;
}

type Listener = (message: string, channel: string) => void;

/** A client that can listen: single, cluster or sentinel. */
interface NodeRedisSubscriber extends NodeRedisCommands {
  connect(): Promise<unknown>;
  subscribe(channels: string[], listener: Listener): Promise<unknown>;
  unsubscribe(channels: string[], listener: Listener): Promise<unknown>;
  duplicate(): NodeRedisSubscriber;
  destroy(): unknown;
}

interface NodeRedisPool extends NodeRedisCommands {
  execute<T>(task: (client: NodeRedisSubscriber) => T): Promise<T>;
}

interface NodeRedisCluster extends NodeRedisCommands {
  readonly masters: readonly unknown[];
  /** By slot; not complete while the cluster is discovered. */
  readonly slots: readonly ({ readonly master: { readonly address: string } } | undefined)[];
  nodeClient(node: unknown): Promise<NodeRedisCommands> | NodeRedisCommands;
}

/** RESP type `$`, the bulk string, as `RESP_TYPES.BLOB_STRING` of node-redis spells it. */
const BLOB_STRING = 36;
const PROBE_KEY = 'express-redis-suite:probe:';
/** After this long, in milliseconds, an unsent command is taken back where the client does not say whether it is connected. */
const UNSENT_FOR_MS = 250;

export function isNodeRedis(client: unknown): client is NodeRedisClient {
  const { withTypeMapping, evalSha, on } = Object(client) as Partial<NodeRedisClient>;
  return [withTypeMapping, evalSha, on].every((method) => typeof method === 'function');
}

export function fromNodeRedis(client: NodeRedisClient): Redis {
  // The user may have mapped types on the client; our replies must not depend on it.
  const text = withOptions(client, {});
  const bytes = withOptions(client, { [BLOB_STRING]: Buffer });
  const as = (reply: ReplyType) => (reply === 'bytes' ? bytes : text);
  const cluster = 'masters' in client ? (client as NodeRedisCluster) : undefined;
  const keyPrefix = String(text._keyPrefix ?? '');

  return {
    hasOneConnection: !isPool(client) && !cluster && !('getMasterNode' in client),
    hasManyNodes: cluster !== undefined,
    keyPrefix,
    isOpen: () => client.isOpen,
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
    nodeOf: (key) => cluster?.slots[slotOf(keyPrefix + key)]?.master.address,
    // redis 6 sends a cluster's PING to every node; one that is away must not hide the others.
    ping: (key = PROBE_KEY + Math.random()) => (cluster ? text.exists(key) : text.ping()),
    scan: (pattern, count) => scanNodes(text, pattern, count),
    async latestTimeUs() {
      const nodes: NodeRedisCommands[] = [];
      for await (const node of nodesOf(text)) nodes.push(node);
      const times = await Promise.all(nodes.map((node) => node.eval(TIME_LUA, NO_KEYS)));
      return Math.max(...times.map(timeUs));
    },
    subscribe: (channels, onMessage, onLost = ignore) =>
      subscribe(client as NodeRedisSubscriber, { channels: [...channels], onMessage, onLost }),
  };
}

function withOptions(client: NodeRedisClient, typeMapping: Record<number, unknown>): NodeRedisCommands {
  const isSentinel = 'getMasterNode' in client;
  // isReady tells whether a command leaves at once, but a pool or cluster may have connections that are down.
  const mayQueue = isSentinel || isPool(client) || 'masters' in client;
  // By itself redis 6 arms an AbortSignal for every command until it is sent, which costs more than all the rest of it.
  const commandOptions = { typeMapping, timeout: mayQueue ? UNSENT_FOR_MS : undefined };
  if (!isSentinel) return client.withCommandOptions(commandOptions) as NodeRedisCommands;
  // redis 5's Sentinel writes a type mapping into the user's own client, for all its callers; this leaves it alone.
  return Object.create(client, { commandOptions: { value: commandOptions } }) as NodeRedisCommands;
}

interface Subscription {
  readonly channels: string[];
  readonly onMessage: Listener;
  readonly onLost: () => void;
}

async function subscribe(
  client: NodeRedisSubscriber,
  subscription: Subscription,
): Promise<() => Promise<void>> {
  const isShared = 'masters' in client || 'getMasterNode' in client;
  if (!isShared) return subscribeBeside(client, subscription);
  const { channels, onMessage, onLost } = subscription;
  await client.subscribe(channels, onMessage);
  // They do not tell which of their connections it was.
  client.on('error', onLost);
  return async function unsubscribe() {
    client.off('error', onLost);
    if (client.isOpen) await client.unsubscribe(channels, onMessage);
  };
}

/** A subscribed connection takes no other commands under RESP 2, so it is one of its own, closed with the user's. */
async function subscribeBeside(
  client: NodeRedisSubscriber,
  { channels, onMessage, onLost }: Subscription,
): Promise<() => Promise<void>> {
  const beside = isPool(client) ? await client.execute((member) => member.duplicate()) : client.duplicate();
  const close = () => {
    client.off('end', closeToo);
    if (beside.isOpen) beside.destroy();
  };
  // A client that is recycled ends and is open again at once.
  const closeToo = () => void setImmediate(() => client.isOpen || close());
  // A pool does not say when it is closed: an attempt to reconnect finds out.
  const lose = () => {
    onLost();
    closeToo();
  };
  for (const event of ['error', 'reconnecting', 'end']) beside.on(event, lose);
  client.on('end', closeToo);
  try {
    await withinDeadline(
      SUBSCRIBED_WITHIN_MS,
      beside.connect().then(() => beside.subscribe(channels, onMessage)),
    );
  } catch (error) {
    close();
    throw error;
  }
  return async () => close();
}

async function* scanNodes(
  client: NodeRedisCommands,
  pattern: string,
  count: number,
): AsyncIterable<string[]> {
  for await (const node of nodesOf(client)) {
    const step: ScanStep = (cursor, match, size) => node.scan(cursor, { MATCH: match, COUNT: size });
    yield* scanKeys(step, pattern, count, client._keyPrefix);
  }
}

async function* nodesOf(client: NodeRedisCommands): AsyncIterable<NodeRedisCommands> {
  if (!('masters' in client)) return yield client;
  const cluster = client as NodeRedisCluster;
  for (const master of cluster.masters) yield await cluster.nodeClient(master);
}

/** TIME itself replies a Date in some versions, which keeps no microseconds. */
const TIME_LUA = "return redis.call('TIME')";
const NO_KEYS: EvalOptions = { keys: [], arguments: [] };

function isPool(client: NodeRedisClient): client is NodeRedisPool {
  return 'execute' in client && !('duplicate' in client);
}

function ignore(): void {}
