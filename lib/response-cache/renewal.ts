/** Renews a page behind the back of whoever is served the old one: the app gets a request of ours for it. */
import { isRevalidation, REVALIDATION } from '../core/revalidation.js';
import type { Cache } from './cache.js';
import type { Stake } from './claim.js';
import type { Entry } from './entry.js';
import { fetchFromHandler } from './fetch.js';
import type { CacheRequest } from './key.js';
import { hasValidator } from './policy.js';
import { isByCookieOrUser } from './selection.js';
import type { Found } from './shelf.js';
import { dispatch, outermostApp } from './synthetic.js';
import { taggerOf } from './tags.js';
import { isSteering } from './unnamed.js';
import { sent } from './vary.js';
import type { Visit } from './visit.js';

/** What the mark on our own request carries through the app, back to the cache that sent it. */
export interface Renewal {
  readonly cache: Cache;
  readonly key: string;
  readonly entry: Entry;
  readonly stake: Omit<Stake, 'tagsFor'>;
  hasArrived: boolean;
}

/** Headers that decide under which scheme and host a page is known. */
const OF_THE_TARGET = ['host', 'x-forwarded-host', 'x-forwarded-proto'] as const;

/**
 * Whether there is an app to ask, and it did not answer our last request for this page elsewhere. Nobody's cookies go
 * with a request of ours: it has no session.
 */
export function mayRenewBehind(
  { unreachable, settings }: Cache,
  { req, key }: Visit,
  { vary }: Entry,
): boolean {
  const isSomebodys =
    isByCookieOrUser(settings.selection) || vary.includes('cookie') || vary.includes('authorization');
  return !isSomebodys && outermostApp(req) !== undefined && !unreachable.has(key);
}

/** One renewal per page and variant at a time over all processes; never fails. */
export async function renewBehind(cache: Cache, visit: Visit, found: Found, entry: Entry): Promise<void> {
  const { key, variant } = found;
  const id = `${key} ${variant}`;
  if (cache.resting.has(id) || cache.flights.of(key, variant) !== undefined) return;
  cache.resting.set(id, true);
  const flight = cache.flights.start(key, variant);
  const reservation = await cache.shelf.reserve(found, visit.headers).catch(() => undefined);
  if (reservation?.entry?.receivedAtMs !== entry.receivedAtMs) {
    // Somebody else is at it, or done, or has purged it.
    flight.land(reservation?.entry);
    await reservation?.cancel().catch(() => {});
    return;
  }
  const stake = { reservation, flight, hitForMissId: `${id} false`, isRenewal: true };
  const renewal: Renewal = { cache, key, entry, stake, hasArrived: false };
  // Not in the context of the request that found the page old: its AsyncLocalStorage is somebody's.
  cache.outside.runInAsyncScope(send, undefined, visit, renewal);
}

function send({ req, target }: Visit, renewal: Renewal): void {
  const { cache, key, entry, stake } = renewal;
  const steering = cache.settings.selection.unnamedIn ? Object.keys(req.headers).filter(isSteering) : [];
  const choosing = new Set([...OF_THE_TARGET, ...entry.vary, ...steering]);
  const names = [...choosing].filter((name) => sent(req.headers, name) !== undefined);
  const request = {
    url: target.path,
    headers: Object.fromEntries(names.map((name) => [name, String(req.headers[name])])),
    remoteAddress: req.socket.remoteAddress,
    isEncrypted: 'encrypted' in req.socket && req.socket.encrypted === true,
    mark: renewal,
  };
  const synthetic = dispatch(outermostApp(req)!, request, onEnd);
  const patience = setTimeout(synthetic.abort, MAX_RENEWAL_MS).unref();

  function onEnd(): void {
    clearTimeout(patience);
    if (renewal.hasArrived) return;
    cache.unreachable.set(key, true);
    stake.flight?.land(undefined);
    stake.reservation?.cancel().catch(() => {});
  }
}

const MAX_RENEWAL_MS = 30_000;

/** What our own request carries, if this cache sent it. */
export function renewalIn(cache: Cache, req: CacheRequest): Renewal | undefined {
  if (!isRevalidation(req)) return undefined;
  const mark = (req as { [REVALIDATION]?: Partial<Renewal> })[REVALIDATION];
  return mark?.cache === cache ? (mark as Renewal) : undefined;
}

/**
 * The request has arrived: the handler is asked if it came for the very page it was sent for. If not, something in the
 * app goes by what is not in the page's identity, and the handler might answer somebody else than those who wait.
 */
export function carryOut(renewal: Renewal, req: CacheRequest, visit: Visit | undefined): void {
  const { cache, key, entry, stake } = renewal;
  const abort = () => {
    req.socket.destroy();
  };
  const isThatPage = visit?.key === key && cache.shelf.matches(entry, visit.headers);
  if (renewal.hasArrived || !isThatPage) {
    abort();
    return;
  }
  const tagsFor = taggerOf(cache.settings, visit!);
  renewal.hasArrived = true;
  const stored = hasValidator(entry) ? entry : undefined;
  // When nothing is stored, nobody reads the rest.
  const errand = {
    ...stake,
    tagsFor,
    onDropped: abort,
    stored,
    fallback: undefined,
    forward: 'stale',
  } as const;
  fetchFromHandler(cache, visit!, errand);
}
