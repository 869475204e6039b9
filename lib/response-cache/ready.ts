/** What of the store is good enough to be served at once, and whether it is time for a new one all the same. */
import type { IncomingHttpHeaders } from 'node:http';
import { isRevalidation } from '../core/revalidation.js';
import { shouldRefreshEarly } from '../fill/early-refresh.js';
import type { Cache } from './cache.js';
import type { Entry } from './entry.js';
import { hasValidator, type Rules } from './policy.js';
import { mayRenewBehind, renewBehind } from './renewal.js';
import { type Serving, type Use, useOf, useStale } from './reuse.js';
import type { Found } from './shelf.js';
import { isAnswered, serve, type Visit } from './visit.js';

/** What was purged softly is stale, however fresh it would be. */
export function useOfFound(
  { entry, isExpired }: Found,
  request: IncomingHttpHeaders,
  rules: Rules,
): Use | undefined {
  if (entry === undefined) return undefined;
  const use = useOf(entry, request, rules, Date.now());
  if (!isExpired || use.may !== 'serve') return use;
  return { may: hasValidator(entry) ? 'validate' : 'nothing' };
}

/** What this process holds itself is worth no promise. */
export function isServedAtOnce(cache: Cache, visit: Visit): boolean {
  const found = cache.shelf.look(visit.key, visit.headers);
  const serveStored = found && actOnStored(cache, visit, found);
  if (serveStored === undefined || isAnswered(visit.res)) return false;
  visit.trace.go('lookup');
  try {
    serveStored();
  } catch (error) {
    visit.next(error);
  }
  return true;
}

/** Serves what is stored; undefined where it will not do. */
export function actOnStored(cache: Cache, visit: Visit, found: Found): (() => void) | undefined {
  const { entry } = found;
  if (entry === undefined || isRevalidation(visit.req)) return undefined;
  const ready = readyNow(cache, visit, entry, useOfFound(found, visit.headers, cache.settings.rules));
  if (ready === undefined) return undefined;
  return function serveStored() {
    visit.trace.go(ready.isFresh ? 'fresh' : 'stale');
    serve(visit, entry, ready, {});
    if (ready.isDue) renewBehind(cache, visit, found, entry);
  };
}

type Ready = Serving & { readonly isDue: boolean };

function readyNow(cache: Cache, visit: Visit, entry: Entry, use: Use | undefined): Ready | undefined {
  const { rules, beta } = cache.settings;
  if (use?.may === 'serve')
    return { ...use, isDue: isEarlyFor(entry, use, beta) && mayRenewBehind(cache, visit, entry) };
  if (!mayRenewBehind(cache, visit, entry)) return undefined;
  const stale = useStale(entry, visit.headers, rules, Date.now(), 'while-revalidate');
  return stale && { ...stale, isDue: true };
}

/** XFetch: whether this one of the requests for a fresh page is the one that has it renewed before its end. */
function isEarlyFor({ receivedAtMs, requestedAtMs }: Entry, { ttlMs }: Serving, beta: number): boolean {
  if (ttlMs <= 0) return false;
  const loadMs = Math.max(0, receivedAtMs - requestedAtMs);
  const chance = Math.random();
  return shouldRefreshEarly({ nowMs: 0, expiresAtMs: ttlMs, loadMs, beta, chance });
}
