/** Redis as everything here sees it: one small interface, whichever client is behind it. */

export type RedisArgument = string | Buffer;

/** `text`: bulk strings come back as strings. `bytes`: as Buffers. Integers are numbers in both, nil is null. */
export type ReplyType = 'text' | 'bytes';

export interface Redis {
  /** Whether its user has connected it and not closed it; it may be reconnecting. */
  isOpen(): boolean;
  /** What the client puts before every key, such as ioredis' option `keyPrefix`; the slot of a key depends on it. */
  readonly keyPrefix: string;
  /** A cluster: one node may be away while the others answer. */
  readonly hasManyNodes: boolean;
  /** All commands go over one connection: Redis runs them in the order in which they were given. */
  readonly hasOneConnection: boolean;
  /** Whether a command sent now goes out at once. Nothing is sent otherwise: offline queues replay. */
  isReady(): boolean;
  evalSha(
    sha: string,
    keys: readonly string[],
    args: readonly RedisArgument[],
    reply: ReplyType,
  ): Promise<unknown>;
  eval(
    lua: string,
    keys: readonly string[],
    args: readonly RedisArgument[],
    reply: ReplyType,
  ): Promise<unknown>;
  get(key: string): Promise<string | null>;
  hmGet(key: string, fields: readonly string[]): Promise<(Buffer | null)[]>;
  unlink(key: string): Promise<number>;
  /** Which node of a cluster has the key; undefined where there is but one, or it is not known. */
  nodeOf(key: string): string | undefined;
  /** The health probe's command: PING; on a cluster a look whether `key` exists, at any one node without it. */
  ping(key?: string): Promise<unknown>;
  /** What time it is in microseconds; on a cluster the latest of what its masters say, and all must say so. */
  latestTimeUs(): Promise<number>;
  /** Keys that match a glob pattern, page by page, from every master of a cluster. */
  scan(pattern: string, count: number): AsyncIterable<string[]>;
  /**
   * Listens on channels until the returned function is called or the user closes the client. Resolves once Redis has
   * confirmed it; rejects when that takes more than `SUBSCRIBED_WITHIN_MS`, but on clusters and sentinels of node-redis.
   * Reconnects by itself, but for ioredis clusters; what is published meanwhile is lost, and `onLost` called once that
   * may have been so.
   */
  subscribe(
    channels: readonly string[],
    onMessage: (message: string, channel: string) => void,
    onLost?: () => void,
  ): Promise<() => Promise<void>>;
}

/** A connection may be gone without a word before anything was heard on it: then another one has to be made. */
export const SUBSCRIBED_WITHIN_MS = 5_000;

/** The reply of TIME, seconds and microseconds. */
export function timeUs(reply: unknown): number {
  const [seconds, microseconds] = reply as [unknown, unknown];
  return Number(String(seconds)) * 1_000_000 + Number(String(microseconds));
}
