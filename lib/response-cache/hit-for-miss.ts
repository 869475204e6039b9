/** Why a page was not to be stored a moment ago: nobody waits for another's answer there, in this process or another. */
import { LRUCache } from 'lru-cache';
import { tagged } from '../core/keys.js';
import type { FillStore } from '../fill/store.js';
import type { Settings } from './options.js';

/** Ids name a page, its variant, and whether the request had credentials. */
export interface HitForMiss {
  /** What this process knows. */
  get(id: string): string | undefined;
  set(id: string, refusal: string): void;
  /** Lets other processes know, for as long as this one knows it. Never fails. */
  tell(id: string, refusal: string): Promise<unknown>;
  /** What another process told. */
  ask(id: string): Promise<string | undefined>;
}

const REMEMBERED_FOR_MS = 5_000;
const MAX_REMEMBERED = 1_000;
const FIELD = 'why';
/** As it appears in Cache-Status: Redis may hold anything. */
const REFUSAL = /^[a-z][a-z-]{0,39}$/;

export function createHitForMiss(store: FillStore, settings: Settings): HitForMiss {
  const known = new LRUCache<string, string>({ max: MAX_REMEMBERED, ttl: REMEMBERED_FOR_MS });
  // A key of its own, for fields of a page's hash live as long as the page.
  const terms = termsOf(settings);
  const keyOf = (id: string) => `${settings.prefix}page-miss:${tagged(`${id} ${terms}`)}`;

  return {
    get: (id) => known.get(id),
    set: (id, refusal) => void known.set(id, refusal),
    tell: (id, refusal) =>
      store.put(keyOf(id), FIELD, Buffer.from(refusal), { ttlMs: REMEMBERED_FOR_MS }).catch(() => {}),
    async ask(id) {
      const [told] = (await store.read(keyOf(id), [FIELD])).values;
      const refusal = told?.bytes.toString() ?? '';
      return REFUSAL.test(refusal) ? refusal : undefined;
    },
  };
}

/** What one route's cache refuses, another's on the same page may store. */
function termsOf({ rules, maxBodyBytes }: Settings): string {
  return JSON.stringify({ ...rules, statuses: [...(rules.statuses ?? [])], maxBodyBytes });
}
