/** Copies of a shared store's values in this process: hits without a command, for as long as changes are heard of. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Guard } from '../core/guard.js';
import { Link } from './link.js';
import type { FillStore, Found, Reading } from './store.js';
import { spellTag } from './tags.js';

export interface MemoryTierOptions {
  readonly guard: Guard;
  /** Where the scripts of the store publish: `changesChannel` of `redis-store.ts`. */
  readonly channel: string;
  /** Bytes of values and keys to hold. */
  readonly maxBytes: number;
  /** Whether a copy may be served without asking; what is stale or over is read from the store. */
  readonly isFresh: (found: Found, field: string) => boolean;
}

interface Copies {
  /** Null for a field that is not there. */
  readonly fields: ReadonlyMap<string, Found | null>;
  /** Of an earlier era than the link's: nothing is known of changes since. */
  readonly era: number;
}

/** A reading that is under way; what it brings may be old by then. */
interface Ticket {
  readonly key: string;
  isOutdated: boolean;
}

/** What a copy costs beside its bytes, roughly. */
const OVERHEAD_BYTES = 200;

/**
 * Between a change and its message there is a network's delay, in which this process may still serve what it has:
 * well under a millisecond on a network that is well, at most 2 s on a connection that is gone without a word. A write
 * through `Writers` sends its first message before the change, so it must be overtaken by the database to be noticed.
 */
export function memoryTier(inner: FillStore, options: MemoryTierOptions): FillStore {
  const { guard, channel, maxBytes, isFresh } = options;
  const keysOfTag = new Map<string, Set<string>>();
  const tickets = new Set<Ticket>();
  const waiting = new Map<string, Set<() => void>>();
  let era = 0;
  const copies = new LRUCache<string, Copies>({
    maxSize: maxBytes,
    sizeCalculation: sizeOf,
    dispose: (gone, key) => {
      for (const tag of tagsOf(gone)) forgetTagged(tag, key);
    },
  });

  const link = new Link({
    guard,
    channel,
    onChange(message) {
      const name = message.slice(1);
      if (message.startsWith('t')) forgetTag(name);
      else forget(name);
    },
    onLost() {
      era += 1;
      for (const ticket of tickets) ticket.isOutdated = true;
    },
  });

  function forget(key: string): void {
    copies.delete(key);
    for (const ticket of tickets) if (ticket.key === key) ticket.isOutdated = true;
    for (const wake of waiting.get(key) ?? []) wake();
  }

  /** Nobody knows the tags of what is just being read. */
  function forgetTag(spelled: string): void {
    for (const ticket of tickets) ticket.isOutdated = true;
    for (const key of [...(keysOfTag.get(spelled) ?? [])]) copies.delete(key);
  }

  function forgetTagged(tag: string, key: string): void {
    const keys = keysOfTag.get(tag);
    keys?.delete(key);
    if (keys?.size === 0) keysOfTag.delete(tag);
  }

  function copyOf(key: string, fields: readonly string[]): Reading | undefined {
    const held = copies.get(key);
    if (held === undefined || held.era !== era) return undefined;
    const values: (Found | null)[] = [];
    for (const field of fields) {
      const found = held.fields.get(field);
      if (found === undefined || (found !== null && !isFresh(found, field))) return undefined;
      values.push(found);
    }
    if (!values.some((found) => found)) return undefined;
    return { values, leases: fields.map(() => null), isMarked: false };
  }

  function keep(key: string, fields: readonly string[], { values, isMarked }: Reading): void {
    if (isMarked || values.every((found) => found === null)) {
      copies.delete(key);
      return;
    }
    const held = copies.get(key);
    const merged = new Map(held?.era === era ? held.fields : []);
    for (const [i, field] of fields.entries()) merged.set(field, values[i] ?? null);
    const kept = { fields: merged, era };
    copies.set(key, kept);
    if (!copies.has(key)) return;
    for (const tag of tagsOf(kept)) keysOfTag.set(tag, (keysOfTag.get(tag) ?? new Set()).add(key));
  }

  async function readMany(keys: readonly string[], fields: readonly string[]): Promise<readonly Reading[]> {
    if (!link.isUp()) return inner.readMany(keys, fields);
    const readings = keys.map((key) => copyOf(key, fields));
    const absent = keys.filter((_, i) => readings[i] === undefined);
    if (absent.length === 0) return readings as Reading[];
    const asked = absent.map((key) => ({ key, isOutdated: false }));
    for (const ticket of asked) tickets.add(ticket);
    try {
      const read = await inner.readMany(absent, fields);
      for (const [i, { key, isOutdated }] of asked.entries())
        if (!isOutdated && link.isUp()) keep(key, fields, read[i] as Reading);
      let next = 0;
      return readings.map((reading) => reading ?? (read[next++] as Reading));
    } finally {
      for (const ticket of asked) tickets.delete(ticket);
    }
  }

  /** This process does not wait for its own message. */
  async function change<Result>(key: string, call: () => Promise<Result>): Promise<Result> {
    forget(key);
    try {
      return await call();
    } finally {
      forget(key);
    }
  }

  async function changeTag(tag: string, call: () => Promise<void>): Promise<void> {
    forgetTag(spellTag(tag));
    try {
      await call();
    } finally {
      forgetTag(spellTag(tag));
    }
  }

  return {
    ...inner,
    readMany,
    look: (key, fields) => (link.isUp() ? copyOf(key, fields) : undefined),
    read: async (key, fields) => (await readMany([key], fields))[0] as Reading,
    commit: (lease, value, keeping) => change(lease.key, () => inner.commit(lease, value, keeping)),
    put: (key, field, value, keeping) => change(key, () => inner.put(key, field, value, keeping)),
    drop: (key) => change(key, () => inner.drop(key)),
    expire: (key) => change(key, () => inner.expire(key)),
    mark: (key, token, markMs) => change(key, () => inner.mark(key, token, markMs)),
    keepMark: (key, token, markMs) => change(key, () => inner.keepMark(key, token, markMs)),
    unmark: (key, token) => change(key, () => inner.unmark(key, token)),
    unmarkWith: (mark, field, value, keeping) =>
      change(mark.key, () => inner.unmarkWith(mark, field, value, keeping)),
    purgeTag: (tag) => changeTag(tag, () => inner.purgeTag(tag)),
    expireTag: (tag) => changeTag(tag, () => inner.expireTag(tag)),
    markTag: (tag, token, markMs) => changeTag(tag, () => inner.markTag(tag, token, markMs)),
    unmarkTag: (tag, token) => changeTag(tag, () => inner.unmarkTag(tag, token)),

    lastKnown: (key, field) => copies.get(key)?.fields.get(field) ?? null,

    async changeOf(key, withinMs) {
      const waker = new AbortController();
      const wake = () => waker.abort();
      waiting.set(key, (waiting.get(key) ?? new Set()).add(wake));
      await sleep(withinMs, undefined, { ref: false, signal: waker.signal }).catch(() => {});
      const others = waiting.get(key);
      others?.delete(wake);
      if (others?.size === 0) waiting.delete(key);
    },
  };
}

function tagsOf({ fields }: Copies): string[] {
  return [...fields.values()].flatMap((found) => found?.tags ?? []);
}

function sizeOf({ fields }: Copies, key: string): number {
  let bytes = OVERHEAD_BYTES + 2 * key.length;
  for (const [field, found] of fields) {
    bytes += OVERHEAD_BYTES + 2 * field.length + (found?.bytes.length ?? 0);
    for (const tag of found?.tags ?? []) bytes += OVERHEAD_BYTES + 2 * tag.length;
  }
  return bytes;
}
