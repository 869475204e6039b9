/** One request through the cache: pass, or look it up; fresh is served, stale is validated, missing is fetched and stored. */
import type { ServerResponse } from 'node:http';
import { hasCode, isRedisTrouble } from '../core/errors.js';
import { shareShape } from '../core/one-shape.js';
import { approach } from './approach.js';
import { type Cache, openCache } from './cache.js';
import { takeOver } from './giving-way.js';
import { invalidateAfter } from './invalidate.js';
import type { CacheRequest } from './key.js';
import { type ResponseCacheOptions, resolveOptions } from './options.js';
import { isSafeMethod, wantsOnlyStored } from './policy.js';
import { mayBePosted, openPosted } from './posted.js';
import { type Purges, purgesOf } from './purges.js';
import { actOnStored, isServedAtOnce, useOfFound } from './ready.js';
import { carryOut, renewalIn } from './renewal.js';
import { tellDownstream } from './selection.js';
import type { Found } from './shelf.js';
import { type Forward, Trace } from './trace.js';
import { isAnswered, type Next, type Page, pageOf, pass, refuse, type Visit } from './visit.js';

/** Works under Express 4 and 5, and in any server that calls `(req, res, next)`. */
export interface ResponseCache extends Purges {
  (req: CacheRequest, res: ServerResponse, next: Next): void;
}

/** How often a request waits for another's answer before it goes alone. */
const MAX_WAITS = 3;

/** @throws SuiteError ERS_INVALID_OPTION, ERS_INVALID_CLIENT */
export function responseCache(options: ResponseCacheOptions = {}): ResponseCache {
  const cache = openCache(resolveOptions(options));

  function responseCacheMiddleware(req: CacheRequest, res: ServerResponse, next: Next): void {
    shareShape(req, res);
    const trace = new Trace();
    const renewal = renewalIn(cache, req);
    let page: Page;
    try {
      page = pageOf(cache.settings, req);
    } catch (error) {
      if (renewal === undefined) next(error);
      else carryOut(renewal, req, undefined);
      return;
    }
    const visit =
      page.passBecause === undefined
        ? { req, res, next, trace, target: page.target, key: page.key, headers: page.headers }
        : undefined;
    if (visit !== undefined) takeOver(res);
    if (renewal !== undefined) carryOut(renewal, req, visit);
    else if (visit === undefined) pass({ req, res, next, trace }, 'bypass', page.passBecause);
    else enter(cache, visit);
  }

  return Object.assign(responseCacheMiddleware, purgesOf(cache));
}

function enter(cache: Cache, visit: Visit): void {
  tellDownstream(visit.res, visit.headers, cache.settings.selection);
  const isSafe = isSafeMethod(visit.req.method ?? '');
  if (!isSafe && !mayBePosted(visit.req, cache.settings.rules)) invalidateAfter(cache, visit);
  else if (isSafe && isServedAtOnce(cache, visit)) return;
  // Where handlers run in `act` and what they throw comes back here, nobody else would hear of it.
  else
    (isSafe ? lookUp(cache, visit) : awaitPosted(cache, visit))
      .then((act) => isAnswered(visit.res) || act())
      .catch(visit.next);
}

async function awaitPosted(cache: Cache, visit: Visit): Promise<() => void> {
  const posted = await openPosted(cache, visit);
  return () => invalidateAfter(cache, visit, posted);
}

/** What to do about a request. Redis being away or unwilling is no reason not to answer it. */
async function lookUp(cache: Cache, visit: Visit): Promise<() => void> {
  try {
    for (let waits = 0; ; waits += 1) {
      visit.trace.go('lookup');
      const found = await cache.shelf.find(visit.key, visit.headers);
      const act = await decide(cache, visit, found, waits < MAX_WAITS);
      if (act !== 'look-again') return act;
    }
  } catch (error) {
    if (!isRedisTrouble(error)) throw error;
    const detail = hasCode(error, 'ERS_REDIS_REFUSED') ? 'redis-refused' : 'redis-unavailable';
    return () => pass(visit, 'bypass', detail);
  }
}

async function decide(
  cache: Cache,
  visit: Visit,
  found: Found,
  mayWait: boolean,
): Promise<(() => void) | 'look-again'> {
  const serveStored = actOnStored(cache, visit, found);
  if (serveStored !== undefined) return serveStored;
  const { req, trace } = visit;
  const { rules } = cache.settings;
  const { entry } = found;
  if (wantsOnlyStored(req.headers, rules)) return () => refuse(visit, 'only-if-cached');

  const use = useOfFound(found, visit.headers, rules);
  const stored = use?.may === 'validate' ? entry : undefined;
  trace.go(stored === undefined ? 'miss' : 'stale');
  const forward = whyForward(found, stored !== undefined);
  if (req.method === 'HEAD') return () => pass(visit, forward);
  return approach(cache, visit, { found, stored, fallback: entry, forward, mayWait });
}

function whyForward({ entry, keptVary }: Found, isStale: boolean): Forward {
  if (isStale) return 'stale';
  if (entry !== undefined) return 'request';
  return keptVary === undefined ? 'uri-miss' : 'vary-miss';
}
