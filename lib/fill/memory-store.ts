/** The fill store of one process: what fits into so many bytes, the least recently used going first. */
import { LRUCache } from 'lru-cache';
import { MemoryTags } from './memory-tags.js';
import type { FillStore, Found, Keeping, Lease } from './store.js';
import { spellTag, type Tagging } from './tags.js';
import { newToken } from './token.js';

export interface MemoryFillStoreOptions {
  /** Bytes of values and keys to hold. Default 64 MB. */
  readonly maxBytes?: number;
  /** A clock in milliseconds that never steps back. Default `performance.now`. */
  readonly now?: () => number;
}

interface Value extends Tagging {
  readonly bytes: Buffer;
  readonly expiresAt: number;
  readonly isExpired: boolean;
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
  const tags = new MemoryTags(now);

  function live(value: Value | undefined): Found | null {
    if (value === undefined || value.expiresAt <= now()) return null;
    const verdict = tags.judge(value);
    if (verdict === 'gone') return null;
    return { bytes: value.bytes, tags: value.names, isExpired: value.isExpired || verdict === 'expired' };
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

  /** False when a tag was purged since. */
  function store(key: string, field: string, bytes: Buffer, keeping: Keeping, since: number): boolean {
    const { ttlMs, limit } = keeping;
    const names = (keeping.tags ?? []).map(spellTag);
    endLease(key, field);
    tags.enter(names);
    if (tags.judge({ names, since }) === 'gone') return false;
    const fields = new Map(values.get(key));
    fields.delete(field);
    const most = (limit?.maxValues ?? Infinity) + Number(fields.has(limit?.spare ?? ''));
    for (const [name, { expiresAt }] of fields) {
      const mustGo = fields.size >= most && name !== limit?.spare;
      if (mustGo || expiresAt <= now()) fields.delete(name);
    }
    const value = { bytes, expiresAt: now() + ttlMs, names, since, isExpired: false };
    values.set(key, fields.set(field, value));
    return true;
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
    const held = values.get(key);
    const holders = leases.get(key);
    return {
      values: fields.map((field) => live(held?.get(field))),
      leases: fields.map((field) => holders?.get(field)?.token ?? null),
      isMarked: liveMarks(key) !== undefined,
    };
  }

  return {
    now,

    read: async (key, fields) => readKey(key, fields),

    look: readKey,

    readMany: async (keys, fields) => keys.map((key) => readKey(key, fields)),

    async acquire(key, field, leaseMs, besideIt = '') {
      const holder = leases.get(key)?.get(field);
      if (liveMarks(key) !== undefined || (holder !== undefined && holder.expiresAt > now()))
        return undefined;
      const token = newToken();
      const held = leases.get(key) ?? new Map<string, Holder>();
      leases.set(key, held.set(field, { token, expiresAt: now() + leaseMs }));
      const since = tags.tick();
      const [found = null, beside] = readKey(key, [field, besideIt]).values;
      return { key, field, token, since, found, beside: beside?.bytes ?? null };
    },

    async renew(lease, leaseMs) {
      if (!holds(lease)) return false;
      leases.get(lease.key)?.set(lease.field, { token: lease.token, expiresAt: now() + leaseMs });
      return true;
    },

    async commit(lease, value, keeping) {
      return holds(lease) && store(lease.key, lease.field, value, keeping, lease.since);
    },

    async release(lease) {
      if (holds(lease)) endLease(lease.key, lease.field);
    },

    async put(key, field, value, keeping) {
      const marked = liveMarks(key);
      if (marked === undefined) return store(key, field, value, keeping, tags.tick());
      marked.isContended = true;
      return false;
    },

    async drop(key) {
      const marked = liveMarks(key);
      if (marked !== undefined) marked.isContended = true;
      return forget(key);
    },

    async expire(key) {
      const marked = liveMarks(key);
      if (marked !== undefined) marked.isContended = true;
      const had = [...(values.get(key) ?? [])];
      forget(key);
      if (had.length > 0)
        values.set(key, new Map(had.map(([field, value]) => [field, { ...value, isExpired: true }])));
      return had.length > 0;
    },

    async mark(key, token, markMs) {
      forget(key);
      const marked = liveMarks(key) ?? { expiries: new Map(), isContended: false };
      marked.expiries.set(token, now() + markMs);
      if (marked.expiries.size > 1) marked.isContended = true;
      marks.set(key, marked);
      return { key, token, since: tags.tick() };
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

    async unmarkWith({ key, token, since }, field, value, keeping) {
      forget(key);
      return endMark(key, token) && store(key, field, value, keeping, since);
    },

    purgeTag: async (tag) => tags.purge(spellTag(tag)),
    expireTag: async (tag) => tags.expire(spellTag(tag)),
    markTag: async (tag, token, markMs) => tags.mark(spellTag(tag), token, markMs),
    unmarkTag: async (tag, token) => tags.unmark(spellTag(tag), token),
  };
}

function sizeOf(fields: ReadonlyMap<string, Value>, key: string): number {
  let bytes = OVERHEAD_BYTES + 2 * key.length;
  for (const [field, { bytes: own, names }] of fields)
    bytes += own.length + OVERHEAD_BYTES * (1 + names.length) + 2 * (field.length + names.join('').length);
  return bytes;
}
