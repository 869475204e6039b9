/** The `ioredis` package (5.3 and later) behind our interface: its client and cluster. */
import { withinDeadline } from './deadline.js';
import { type Redis, type ReplyType, SUBSCRIBED_WITHIN_MS, timeUs } from './redis.js';
import { type ScanStep, scanKeys } from './scan.js';
import { slotOf } from './slot.js';

/** The part of ioredis that we use. */
export interface IoredisClient {
  readonly status: string;
  // biome-ignore lint/suspicious/noExplicitAny: an EventEmitter's listener, as node:events types it
  on(event: string, listener: (...args: any[]) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: an EventEmitter's listener, as node:events types it
  off(event: string, listener: (...args: any[]) => void): unknown;
  connect(): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: ioredis overloads these per arity and callback
  evalsha(...args: any[]): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: ioredis overloads these per arity and callback
  eval(...args: any[]): Promise<unknown>;
}

type Command = (...args: readonly unknown[]) => Promise<unknown>;
type IoredisCommands = IoredisClient & { readonly options?: { readonly keyPrefix?: string } } & Record<
    'evalshaBuffer' | 'evalBuffer' | 'get' | 'hmgetBuffer' | 'unlink' | 'exists' | 'ping' | 'scan' | 'time',
    Command
  >;
type IoredisSubscriber = IoredisCommands & {
  duplicate(overrides: { readonly enableOfflineQueue: boolean }): IoredisSubscriber;
  subscribe(...channels: string[]): Promise<unknown>;
  disconnect(): void;
};
type IoredisCluster = IoredisCommands & {
  nodes(role: 'master'): IoredisCommands[];
  /** By slot, the master first; not complete while the cluster is discovered. */
  readonly slots: readonly (readonly string[] | undefined)[];
};

export function isIoredis(client: unknown): client is IoredisClient {
  const { evalsha, evalshaBuffer, on, status } = Object(client) as Partial<IoredisCommands>;
  return (
    typeof status === 'string' && [evalsha, evalshaBuffer, on].every((method) => typeof method === 'function')
  );
}

export function fromIoredis(given: IoredisClient): Redis {
  const client = given as IoredisCommands;
  const call = (name: 'evalsha' | 'eval', reply: ReplyType) =>
    (reply === 'bytes' ? `${name}Buffer` : name) as 'evalsha' | 'evalBuffer';

  const cluster = 'nodes' in client ? (client as IoredisCluster) : undefined;
  const keyPrefix = client.options?.keyPrefix ?? '';

  return {
    hasOneConnection: cluster === undefined,
    hasManyNodes: cluster !== undefined,
    keyPrefix,
    isOpen: () => client.status !== 'end',
    isReady: () => {
      // `lazyConnect` connects at the first command, which this would have been.
      if (client.status === 'wait') client.connect().catch(ignore);
      return client.status === 'ready';
    },
    evalSha: (sha, keys, args, reply) => client[call('evalsha', reply)](sha, keys.length, ...keys, ...args),
    eval: (lua, keys, args, reply) => client[call('eval', reply)](lua, keys.length, ...keys, ...args),
    get: (key) => client.get(key) as Promise<string | null>,
    hmGet: (key, fields) => client.hmgetBuffer(key, ...fields) as Promise<(Buffer | null)[]>,
    unlink: (key) => client.unlink(key) as Promise<number>,
    nodeOf: (key) => cluster?.slots[slotOf(keyPrefix + key)]?.[0],
    ping: (key) => (cluster && key !== undefined ? client.exists(key) : client.ping()),
    scan: (pattern, count) => scanNodes(client, pattern, count),
    latestTimeUs: async () =>
      Math.max(...(await Promise.all(mastersOf(client).map((node) => node.time()))).map(timeUs)),
    subscribe: (channels, onMessage, onLost = ignore) =>
      subscribe(client as IoredisSubscriber, { channels, onMessage, onLost }),
  };
}

interface Subscription {
  readonly channels: readonly string[];
  readonly onMessage: (message: string, channel: string) => void;
  readonly onLost: () => void;
}

/**
 * A subscribed connection takes no other commands, so it is one of its own, closed with the user's. Of a cluster it is one
 * to any master, for a message reaches all: ioredis' own subscriber does not tell when it loses its connection.
 */
async function subscribe(
  client: IoredisSubscriber,
  { channels, onMessage, onLost }: Subscription,
): Promise<() => Promise<void>> {
  let isListening = true;
  const masters = mastersOf(client) as IoredisSubscriber[];
  const chosen = masters[Math.floor(Math.random() * masters.length)] ?? client;
  // Its subscription waits for the connection; a user may have switched that off for commands.
  const beside = chosen.duplicate({ enableOfflineQueue: true });
  beside.on('error', ignore);
  beside.on('close', onLost);
  beside.on('message', function hear(channel: string, message: string) {
    // Messages that lie in the socket already would still be delivered after the end.
    if (isListening) onMessage(message, channel);
  });
  async function unsubscribe() {
    // A connection that is closed a second time keeps a timer of ioredis' alive for two seconds.
    if (!isListening) return;
    isListening = false;
    client.off('end', unsubscribe);
    beside.disconnect();
  }
  client.on('end', unsubscribe);
  try {
    await withinDeadline(SUBSCRIBED_WITHIN_MS, beside.subscribe(...channels));
  } catch (error) {
    await unsubscribe();
    throw error;
  }
  return unsubscribe;
}

function mastersOf(client: IoredisCommands): readonly IoredisCommands[] {
  return 'nodes' in client ? (client as IoredisCluster).nodes('master') : [client];
}

async function* scanNodes(client: IoredisCommands, pattern: string, count: number): AsyncIterable<string[]> {
  for (const node of mastersOf(client)) {
    const step: ScanStep = async (cursor, match, size) => {
      const reply = await node.scan(cursor, 'MATCH', match, 'COUNT', size);
      const [next, keys] = reply as [string, string[]];
      return { cursor: next, keys };
    };
    yield* scanKeys(step, pattern, count, client.options?.keyPrefix);
  }
}

function ignore(): void {}
