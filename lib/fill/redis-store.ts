/** The fill store that all processes share: one hash per key, every change one script on that key alone. */
import type { Guard } from '../core/guard.js';
import type { Redis, RedisArgument, ReplyType } from '../core/redis.js';
import { runScript, type Script } from '../core/script.js';
import { acquireScript, commitScript, putScript, releaseScript, renewScript } from './lease.lua.js';
import { dropScript, markScript, unmarkScript } from './mark.lua.js';
import { Orphans } from './orphans.js';
import type { FillStore, Lease, Reading } from './store.js';
import { newToken } from './token.js';

const A_DAY_MS = 24 * 60 * 60_000;

/** Every call goes through `guard`, and rejects as it does (ERS_REDIS_UNAVAILABLE, ERS_REDIS_REFUSED). */
export function redisFillStore(guard: Guard): FillStore {
  function run(script: Script, key: string, args: readonly RedisArgument[], reply: ReplyType = 'text') {
    return guard.run((redis) => runScript(redis, script, [key], args, reply));
  }

  async function store(script: Script, key: string, args: readonly RedisArgument[]): Promise<boolean> {
    return (await run(script, key, args)) === 1;
  }

  function release({ key, field, token }: Pick<Lease, 'key' | 'field' | 'token'>) {
    return run(releaseScript, key, [field, token]);
  }

  const orphans = new Orphans(guard, release);

  return {
    read: (key, fields) => guard.run((redis) => readKey(redis, key, fields)),

    // Sent in one tick: node-redis pipelines these by itself, ioredis writes them to the socket one after the other.
    readMany: (keys, fields) =>
      guard.run((redis) => Promise.all(keys.map((key) => readKey(redis, key, fields)))),

    async acquire(key, field, leaseMs) {
      const token = newToken();
      const reply = await orphans.watchTaking({ key, field, token }, () =>
        run(acquireScript, key, [field, token, wholeMs(leaseMs)], 'bytes'),
      );
      if (!Array.isArray(reply)) return undefined;
      return { key, field, token, found: (reply[1] as Buffer | null | undefined) ?? null };
    },

    renew: ({ key, field, token }, leaseMs) => store(renewScript, key, [field, token, wholeMs(leaseMs)]),

    commit(lease, value, ttlMs, limit) {
      const { key, field, token } = lease;
      const limits = limit === undefined ? [] : [String(limit.maxValues), limit.spare];
      return orphans.watchEnding(lease, () =>
        store(commitScript, key, [field, token, wholeMs(ttlMs), value, ...limits]),
      );
    },

    async release(lease) {
      await orphans.watchEnding(lease, () => release(lease));
    },

    put: (key, field, value, ttlMs) => store(putScript, key, [field, wholeMs(ttlMs), value]),

    drop: (key) => store(dropScript, key, []),

    async mark(key, token, markMs) {
      await run(markScript, key, [token, wholeMs(markMs), 'new']);
    },

    async keepMark(key, token, markMs) {
      await run(markScript, key, [token, wholeMs(markMs), 'kept']);
    },

    async unmark(key, token) {
      await run(unmarkScript, key, [token]);
    },

    unmarkWith: (key, token, field, value, ttlMs) =>
      store(unmarkScript, key, [token, field, wholeMs(ttlMs), value]),
  };
}

/** Redis takes whole milliseconds, and 0 would delete. */
function wholeMs(ms: number): string {
  return String(Math.max(1, Math.round(ms)));
}

/** A plain HMGET and no script: hits are the common case. */
async function readKey(redis: Redis, key: string, fields: readonly string[]): Promise<Reading> {
  const leases = fields.map((field) => `lease:${field}`);
  const reply = await redis.hmGet(key, [...fields, ...leases, 'mark']).catch(asNothing);
  const mark = reply.at(-1) ?? null;
  return {
    // A mark removes the values: one that is seen beside it was put there by somebody else.
    values: fields.map((_, i) => (mark === null ? (reply[i] ?? null) : null)),
    leases: fields.map((_, i) => tokenOf(reply[fields.length + i])),
    isMarked: mark !== null && mayStand(mark),
  };
}

/**
 * Marks end with their key, so one that is seen stands, unless somebody tampered with it or with the key's TTL. That
 * is judged by this process' clock, which may be wrong by hours, and then put right by the next lease.
 */
function mayStand(mark: Buffer): boolean {
  const expiries = mark.toString('latin1').matchAll(/\S:(\d{1,15})(?= |$)/g);
  return [...expiries].some(([, expiry]) => Number(expiry) > Date.now() - A_DAY_MS);
}

/** Whatever else lies under the key is not ours: it holds nothing, and goes at the first write. */
function asNothing(error: unknown): (Buffer | null)[] {
  if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return [];
  throw error;
}

function tokenOf(lease: Buffer | null | undefined): string | null {
  return lease?.toString('latin1').split(' ', 1)[0] ?? null;
}
