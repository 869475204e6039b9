/** The fill store of one process: what fits into so many bytes, the least recently used going first. */
import { LRUCache } from 'lru-cache';
import type { FillStore, Lease, Limit } from './store.js';
import { newToken } from './token.js';

export interface MemoryFillStoreOptions {
  /** Bytes of values and keys to hold. Default 64 MB. */
  readonly maxBytes?: number;
  /** A clock in milliseconds that never steps back. Default `performance.now`. */
  readonly now?: () => number;
}

interface Value {
  readonly bytes: Buffer;
  readonly expiresAt: number;
}

interface Holder {
  readonly token: string;
  readonly expiresAt: number;
}

interface Marks {
  readonly expiries: Map<string, number>;
  isContended: boolean;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
/** What an entry costs beside its bytes, roughly. */
const OVERHEAD_BYTES = 200;
/** Losing a lease only means that what was loaded is not stored. */
const MAX_LEASED_KEYS = 10_000;

export function memoryFillStore(options: MemoryFillStoreOptions = {}): FillStore {
  const { maxBytes = DEFAULT_MAX_BYTES, now = () => performance.now() } = options;
  const values = new LRUCache<string, ReadonlyMap<string, Value>>({
    maxSize: maxBytes,
    sizeCalculation: sizeOf,
  });
  const leases = new LRUCache<string, Map<string, Holder>>({ max: MAX_LEASED_KEYS });
  // Never evicted: a lost mark would let an old value in. There are as many as writers at work.
  const marks = new Map<string, Marks>();

  function liveValue(key: string, field: string): Buffer | null {
    const value = values.get(key)?.get(field);
    return value !== undefined && value.expiresAt > now() ? value.bytes : null;
  }

  function liveMarks(key: string): Marks | undefined {
    const found = marks.get(key);
    if (found === undefined) return undefined;
    for (const [token, expiresAt] of found.expiries) if (expiresAt <= now()) found.expiries.delete(token);
    if (found.expiries.size > 0) return found;
    marks.delete(key);
    return undefined;
  }

  function holds({ key, field, token }: Lease): boolean {
    const holder = leases.get(key)?.get(field);
    return holder !== undefined && holder.token === token && holder.expiresAt > now();
  }

  function endLease(key: string, field: string): void {
    const held = leases.get(key);
    held?.delete(field);
    if (held?.size === 0) leases.delete(key);
  }

  function store(key: string, field: string, bytes: Buffer, ttlMs: number, limit?: Limit): void {
    endLease(key, field);
    const fields = new Map(values.get(key));
    fields.delete(field);
    const most = (limit?.maxValues ?? Infinity) + Number(fields.has(limit?.spare ?? ''));
    for (const [name, { expiresAt }] of fields) {
      const mustGo = fields.size >= most && name !== limit?.spare;
      if (mustGo || expiresAt <= now()) fields.delete(name);
    }
    values.set(key, fields.set(field, { bytes, expiresAt: now() + ttlMs }));
  }

  function forget(key: string): boolean {
    const had = [...(values.get(key)?.values() ?? [])].some(({ expiresAt }) => expiresAt > now());
    values.delete(key);
    leases.delete(key);
    return had;
  }

  /** True when the mark was there and the only one all the while. */
  function endMark(key: string, token: string): boolean {
    const marked = liveMarks(key);
    if (marked === undefined) return false;
    // A writer whose mark was lost has written all the same: the others' values may be the older ones.
    if (!marked.expiries.delete(token)) marked.isContended = true;
    return liveMarks(key) === undefined && !marked.isContended;
  }

  function readKey(key: string, fields: readonly string[]) {
    return {
      values: fields.map((field) => liveValue(key, field)),
      leases: fields.map((field) => leases.get(key)?.get(field)?.token ?? null),
      isMarked: liveMarks(key) !== undefined,
    };
  }

  return {
    read: async (key, fields) => readKey(key, fields),

    readMany: async (keys, fields) => keys.map((key) => readKey(key, fields)),

    async acquire(key, field, leaseMs) {
      const holder = leases.get(key)?.get(field);
      if (liveMarks(key) !== undefined || (holder !== undefined && holder.expiresAt > now()))
        return undefined;
      const token = newToken();
      const held = leases.get(key) ?? new Map<string, Holder>();
      leases.set(key, held.set(field, { token, expiresAt: now() + leaseMs }));
      return { key, field, token, found: liveValue(key, field) };
    },

    async renew(lease, leaseMs) {
      if (!holds(lease)) return false;
      leases.get(lease.key)?.set(lease.field, { token: lease.token, expiresAt: now() + leaseMs });
      return true;
    },

    async commit(lease, value, ttlMs, limit) {
      if (!holds(lease)) return false;
      store(lease.key, lease.field, value, ttlMs, limit);
      return true;
    },

    async release(lease) {
      if (holds(lease)) endLease(lease.key, lease.field);
    },

    async put(key, field, value, ttlMs) {
      const marked = liveMarks(key);
      if (marked !== undefined) {
        marked.isContended = true;
        return false;
      }
      store(key, field, value, ttlMs);
      return true;
    },

    async drop(key) {
      const marked = liveMarks(key);
      if (marked !== undefined) marked.isContended = true;
      return forget(key);
    },

    async mark(key, token, markMs) {
      forget(key);
      const marked = liveMarks(key) ?? { expiries: new Map(), isContended: false };
      marked.expiries.set(token, now() + markMs);
      if (marked.expiries.size > 1) marked.isContended = true;
      marks.set(key, marked);
    },

    async keepMark(key, token, markMs) {
      forget(key);
      const marked = liveMarks(key) ?? { expiries: new Map(), isContended: true };
      if (!marked.expiries.has(token)) marked.isContended = true;
      marked.expiries.set(token, now() + markMs);
      marks.set(key, marked);
    },

    async unmark(key, token) {
      forget(key);
      endMark(key, token);
    },

    async unmarkWith(key, token, field, value, ttlMs) {
      forget(key);
      if (!endMark(key, token)) return false;
      store(key, field, value, ttlMs);
      return true;
    },
  };
}

function sizeOf(fields: ReadonlyMap<string, Value>, key: string): number {
  let bytes = OVERHEAD_BYTES + 2 * key.length;
  for (const [field, value] of fields) bytes += OVERHEAD_BYTES + 2 * field.length + value.bytes.length;
  return bytes;
}
