/** Pages where they are kept: one key per page, one field per variant, and which headers choose between them. */
import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { FillStore, Lease, Found as Value } from '../fill/store.js';
import { Debts } from './debts.js';
import { decoderOfCopies, decoderOfOwnBytes } from './decoder.js';
import { type Entry, encodeEntry } from './entry.js';
import { namesKept, unionOf, type VaryNames, variantField } from './vary.js';

/** What the shelf holds for a request. */
export interface Found {
  readonly key: string;
  readonly entry: Entry | undefined;
  /** Purged softly: good for nothing but what a stale one is good for. */
  readonly isExpired: boolean;
  /** Which request headers choose, as far as is known before the handler answered. */
  readonly vary: VaryNames;
  /** The field for these request headers. */
  readonly variant: string;
  /** The names as the shelf itself has them; undefined when it has none. */
  readonly keptVary: string | undefined;
}

/** The right to store, while it lasts. */
export interface Reservation {
  /** What is stored: somebody else may have been faster. */
  readonly entry: Entry | undefined;
  readonly isExpired: boolean;
  /** The page has got other variants since it was looked at: what is stored is not for whoever asked. */
  readonly isForOthers: boolean;
  /** Stores and ends the reservation; false when it was lost to a purge, and nothing is stored. */
  keep(entry: Omit<Entry, 'variant' | 'vary'>, vary: VaryNames, ttlMs: number): Promise<Entry | undefined>;
  cancel(): Promise<void>;
  /** Forgets what it was for, and ends; false when it was lost. */
  discard(): Promise<boolean>;
}

export interface Shelf {
  /** What this process holds itself, at once; undefined where it must be asked for. */
  look(key: string, headers: IncomingHttpHeaders): Found | undefined;
  /** One command, two when the Vary of a page has changed since this process saw it. */
  find(key: string, headers: IncomingHttpHeaders): Promise<Found>;
  /** Undefined while somebody else is at it. */
  reserve(found: Found, headers: IncomingHttpHeaders): Promise<Reservation | undefined>;
  /** Resolves when the page has changed, where that is heard of, and else after so long. */
  changeOf(key: string, withinMs: number): Promise<void>;
  /** Whether an entry is the variant for these request headers. */
  matches(entry: Entry, headers: IncomingHttpHeaders): boolean;
  /** Forgets a page with all its variants; what is being fetched meanwhile is not stored. */
  drop(key: string): Promise<void>;
  /** The same, softly: what is there is stale. */
  expire(key: string): Promise<void>;
  purgeTag(tag: string): Promise<void>;
  expireTag(tag: string): Promise<void>;
}

export interface ShelfOptions {
  readonly store: FillStore;
  /** Headers that always choose. */
  readonly vary: VaryNames;
  readonly maxVariants: number;
  readonly ignoresLanguageOrder: boolean;
  /** The same bytes come from the store more than once. */
  readonly readsOwnMemory: boolean;
}

/** No entry, so a miss. */
const NOTHING = Buffer.alloc(0);
const VARY_FIELD = 'vary';
/** What a process that dies while its handler runs costs those who wait; less than they are willing to wait. */
const LEASE_MS = 4_000;
const MAX_REMEMBERED = 10_000;

export function openShelf(options: ShelfOptions): Shelf {
  const { store, vary: always, maxVariants, ignoresLanguageOrder, readsOwnMemory } = options;
  const limit = { maxValues: maxVariants, spare: VARY_FIELD };
  const remembered = new LRUCache<string, VaryNames>({ max: MAX_REMEMBERED });
  const debts = new Debts(store);
  const fieldFor = (names: VaryNames, headers: IncomingHttpHeaders) =>
    variantField(names, headers, ignoresLanguageOrder);
  const decodeBytes = readsOwnMemory ? decoderOfOwnBytes() : decoderOfCopies();

  function decode(value: Value | null | undefined, key: string, variant: string) {
    if (!value) return { entry: undefined, isExpired: false };
    return { entry: decodeBytes(value.bytes, key, variant), isExpired: value.isExpired };
  }

  /** The names that choose, in the light of what the page itself says; the same list where it says nothing new. */
  function namesIn(keptVary: string | undefined, assumed: VaryNames): VaryNames {
    if (keptVary === undefined || keptVary === assumed.join(', ')) return assumed;
    const known = namesKept(keptVary, always);
    return known.join() === assumed.join() ? assumed : known;
  }

  function look(key: string, headers: IncomingHttpHeaders): Found | undefined {
    if (store.look === undefined || debts.mayConcern(key)) return undefined;
    const vary = remembered.get(key) ?? always;
    const variant = fieldFor(vary, headers);
    const [kept, value] = store.look(key, [VARY_FIELD, variant])?.values ?? [];
    const keptVary = kept?.bytes.toString();
    if (!value || namesIn(keptVary, vary) !== vary) return undefined;
    return { key, ...decode(value, key, variant), vary, variant, keptVary };
  }

  async function find(key: string, headers: IncomingHttpHeaders): Promise<Found> {
    if (debts.mayConcern(key)) await debts.pay(key);
    const assumed = remembered.get(key) ?? always;
    const variant = fieldFor(assumed, headers);
    const [kept, value] = (await store.read(key, [VARY_FIELD, variant])).values;
    const keptVary = kept?.bytes.toString();
    const vary = namesIn(keptVary, assumed);
    if (vary === assumed) return { key, ...decode(value, key, variant), vary, variant, keptVary };
    const other = fieldFor(vary, headers);
    remembered.set(key, vary);
    const [others] = (await store.read(key, [other])).values;
    return { key, ...decode(others, key, other), vary, variant: other, keptVary };
  }

  async function reserve(found: Found, headers: IncomingHttpHeaders): Promise<Reservation | undefined> {
    const { key } = found;
    const lease = await store.acquire(key, found.variant, LEASE_MS, VARY_FIELD);
    if (lease === undefined) return undefined;
    const names = namesIn(lease.beside?.toString(), remembered.get(key) ?? always);
    const stopRenewing = keepRenewing(lease);

    const keep: Reservation['keep'] = async function keep(response, own, ttlMs) {
      stopRenewing();
      const vary = unionOf(found.vary, own);
      const entry = { ...response, vary, variant: fieldFor(vary, headers) };
      const right = await leaseFor(entry.variant);
      const keeping = { ttlMs, limit, tags: response.tags ?? [] };
      const isKept = right !== undefined && (await store.commit(right, encodeEntry(entry), keeping));
      // After the entry: until it is told, everybody looks where those who wait for this are found.
      const names = vary.join(', ');
      if (isKept && names !== (found.keptVary ?? ''))
        await store.put(key, VARY_FIELD, Buffer.from(names), { ttlMs });
      if (isKept) remembered.set(key, vary);
      // Whoever waits for this in another process would take its end for their turn.
      if (right !== lease) await store.release(lease!);
      return isKept ? entry : undefined;
    };

    /** Its Vary makes the response another variant than the one reserved: no purge may have come in between. */
    async function leaseFor(variant: string): Promise<Lease | undefined> {
      if (variant === found.variant) return lease;
      const other = await store.acquire(key, variant, LEASE_MS);
      if (other === undefined) return undefined;
      // What was purged since the handler was asked counts, not since now.
      if (await store.renew(lease!, LEASE_MS)) return { ...other, since: lease!.since };
      await store.release(other);
      return undefined;
    }

    return {
      ...decode(lease.found, key, found.variant),
      isForOthers: fieldFor(names, headers) !== found.variant,
      keep,
      async cancel() {
        stopRenewing();
        await store.release(lease);
      },
      discard() {
        stopRenewing();
        return store.commit(lease, NOTHING, { ttlMs: 1 });
      },
    };
  }

  /** Handlers slower than a lease. */
  function keepRenewing(lease: Lease): () => void {
    const timer = setInterval(() => {
      store.renew(lease, LEASE_MS).then(
        (isStanding) => isStanding || clearInterval(timer),
        () => {},
      );
    }, LEASE_MS / 3).unref();
    return () => clearInterval(timer);
  }

  return {
    look,
    find,
    reserve,
    changeOf: store.changeOf ?? ((_key, withinMs) => sleep(withinMs, undefined, { ref: false })),
    matches: (entry, headers) => entry.variant === fieldFor(entry.vary, headers),
    drop: (key) => debts.forget('drop', key),
    expire: (key) => debts.forget('expire', key),
    purgeTag: (tag) => debts.forget('purgeTag', tag),
    expireTag: (tag) => debts.forget('expireTag', tag),
  };
}
