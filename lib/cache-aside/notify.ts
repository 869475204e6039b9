/** Changes that Postgres itself tells of, through NOTIFY: a row changed in psql leaves the cache, too. */
import { invalidOption } from '../core/errors.js';
import type { Cache } from './cache.js';
import { judgedTags } from './entry-options.js';

/** The part of the package `postgres` that is used. LISTEN needs a direct connection, not a PgBouncer in transaction mode. */
export interface ListeningSql {
  listen(
    channel: string,
    onNotify: (payload: string) => void,
    onListen: () => void,
  ): Promise<{ unlisten(): Promise<unknown> }>;
}

/** One row that was changed, as the trigger of `notifyTriggerSql` tells it. */
export interface RowChange {
  /** Without its schema. */
  readonly table: string;
  readonly op: 'INSERT' | 'UPDATE' | 'DELETE';
  /** The key columns as text: `{ id: '42' }`. A row whose key was changed is told of twice. */
  readonly key: Readonly<Record<string, string | null>>;
}

export interface NotifyOptions {
  /** From `postgres(...)`. It keeps one connection for listening, and reconnects by itself. */
  readonly sql: ListeningSql;
  /** The channel of `notifyTriggerSql`. */
  readonly channel: string;
  readonly cache: Pick<Cache, 'delete' | 'invalidateTags'>;
  /** The cache's keys that a change concerns, such as `({ key }) => ['user:' + key.id]`. Default: none. */
  readonly keysOf?: (change: RowChange) => readonly string[];
  /** The tags that a change concerns. Default: none. */
  readonly tagsOf?: (change: RowChange) => readonly string[];
  /**
   * Tags that all it covers carry, at least one of them each. They are purged whenever changes may have been missed: when
   * listening begins, also again after a lost connection, and on a message that says no key (TRUNCATE, keys of
   * thousands of bytes) or that cannot be read.
   */
  readonly coveredBy: readonly string[];
}

/**
 * Resolves once it listens; `close` ends it.
 *
 * A change is seen when its message arrives, shortly after the commit. While the connection is lost nothing is heard, and
 * what others change is seen when it is back; the TTL bounds that.
 *
 * @throws SuiteError ERS_INVALID_OPTION; what `sql.listen` rejects with
 */
export async function invalidateOnNotify(options: NotifyOptions): Promise<{ close(): Promise<void> }> {
  const { sql, channel, cache, keysOf = () => [], tagsOf = () => [] } = options;
  const coveredBy = judgedTags(options.coveredBy);
  if (coveredBy.length === 0)
    throw invalidOption('coveredBy', coveredBy, 'Name at least one tag that all covered values carry.');
  let isClosed = false;
  let dropped: Promise<unknown> = Promise.resolve();

  function dropAll(): void {
    if (!isClosed) dropped = cache.invalidateTags(...coveredBy);
  }

  async function drop(change: RowChange): Promise<void> {
    await Promise.all([
      ...keysOf(change).map((key) => cache.delete(key)),
      cache.invalidateTags(...tagsOf(change)),
    ]);
  }

  function onNotify(payload: string): void {
    if (isClosed) return;
    const changes = readPayload(payload);
    if (changes === undefined) dropAll();
    // What the options' functions throw must not end the process, nor leave an old value.
    for (const change of changes ?? []) drop(change).catch(dropAll);
  }

  const subscription = await sql.listen(channel, onNotify, dropAll);
  await dropped;
  return {
    async close() {
      isClosed = true;
      await subscription.unlisten();
    },
  };
}

/** Undefined for what names no rows, and for what no trigger of ours has sent. */
function readPayload(payload: string): readonly RowChange[] | undefined {
  try {
    const { table, op, keys } = Object(JSON.parse(payload)) as Record<string, unknown>;
    if (typeof table !== 'string' || !isOp(op) || !Array.isArray(keys) || !keys.every(isKey))
      return undefined;
    return keys.map((key) => ({ table, op, key }));
  } catch {
    return undefined;
  }
}

function isOp(op: unknown): op is RowChange['op'] {
  return op === 'INSERT' || op === 'UPDATE' || op === 'DELETE';
}

function isKey(key: unknown): key is RowChange['key'] {
  if (typeof key !== 'object' || key === null) return false;
  return Object.values(key).every((column) => column === null || typeof column === 'string');
}
