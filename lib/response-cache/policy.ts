/** What may be stored, and for whom (RFC 9111, 3; the safe profile adds guards). */
import type { IncomingHttpHeaders } from 'node:http';
import { type Directives, directivesOf, parseCacheControl } from './cache-control.js';
import { linesOf } from './fields.js';
import { currentAgeMs, freshnessLifetime, type LifetimeRules, type TimedResponse } from './freshness.js';
import { askedRange, partOf } from './ranges.js';
import { credentialsOf } from './selection.js';
import { longestStaleMs, type StaleRules } from './stale.js';
import { parseVary } from './vary.js';

export type Profile = 'safe' | 'rfc9111';

export interface Rules extends LifetimeRules, StaleRules {
  readonly profile: Profile;
  /** The route says that its pages are the same for everybody. */
  readonly isPublic: boolean;
}

/** Why a response is not stored; undefined when it may be. The words appear in Cache-Status. */
export type Refusal = string | undefined;

/** Statuses whose meaning for a cache we know, as must-understand asks (RFC 9111, 5.2.2.3). */
const UNDERSTOOD = new Set([
  200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 500, 501, 502, 503,
  504,
]);

/** RFC 9111, 3, clause by clause, for a response to a GET. */
export function refusalToStore(request: IncomingHttpHeaders, response: TimedResponse, rules: Rules): Refusal {
  // 5.2.1.5: a client's no-store covers the response to its request.
  if (wishesOf(request, rules).has('no-store')) return 'request-no-store';
  return refusalToShare(request, response, rules);
}

function refusalToShare(request: IncomingHttpHeaders, response: TimedResponse, rules: Rules): Refusal {
  const { directives } = directivesOf(response.fields);
  return (
    refusalByDeclaration(response, directives, rules) ??
    refusalByRequest(request, directives, rules) ??
    refusalByContent(response, directives, rules)
  );
}

/** Of what nobody may be served, whoever asks. */
export function refusalForAll(response: TimedResponse, rules: Rules): Refusal {
  const { directives } = directivesOf(response.fields);
  return refusalByDeclaration(response, directives, rules) ?? refusalByContent(response, directives, rules);
}

function refusalByDeclaration(response: TimedResponse, directives: Directives, rules: Rules): Refusal {
  return (
    refusalByStatus(response, directives, rules) ??
    // must-understand takes no-store back where the status is understood (5.2.2.3), which was judged just before.
    (directives.has('no-store') && !directives.has('must-understand') ? 'no-store' : undefined) ??
    // This cache is shared; `private="field"` is taken for the whole, as 5.2.2.7 allows.
    (directives.has('private') ? 'private' : undefined)
  );
}

function refusalByContent(response: TimedResponse, directives: Directives, rules: Rules): Refusal {
  return (
    (rules.profile === 'safe' && linesOf(response.fields, 'set-cookie').length > 0
      ? 'set-cookie'
      : undefined) ??
    (isEventStream(response) ? 'event-stream' : undefined) ??
    (parseVary(linesOf(response.fields, 'vary')) === undefined ? 'vary' : undefined) ??
    (isOfUse(response, directives, rules) ? undefined : 'not-fresh')
  );
}

/** RFC 5861, 4: what counts as an error. */
export function isServerError(status: number): boolean {
  return [500, 502, 503, 504].includes(status);
}

/** RFC 9111, 5.2.1.7: only-if-cached wants a stored response or 504. No header of a client counts in the safe profile. */
export function wantsOnlyStored(request: IncomingHttpHeaders, rules: Rules): boolean {
  return wishesOf(request, rules).has('only-if-cached');
}

/** Under no-cache, said by either side, and max-age=0, an answer that others wait for would be of no use to them. */
export function isForOneRequest(stored: TimedResponse, request: IncomingHttpHeaders, rules: Rules): boolean {
  const saysNoCache = directivesOf(stored.fields).directives.has('no-cache');
  const isNeverFresh = freshnessLifetime(stored, rules).lifetimeMs <= 0;
  return saysNoCache || isNeverFresh || wishesOf(request, rules).has('no-cache');
}

/**
 * Whether the handler may be asked for the range that the client wants, so that a part is stored (RFC 9111, 3.3). The safe
 * profile asks for the whole page, which answers every range that is asked for later.
 */
export function asksForPart(request: IncomingHttpHeaders, rules: Rules): boolean {
  return storesParts(rules) && request['if-range'] === undefined && askedRange(request) !== undefined;
}

function storesParts({ profile }: Rules): boolean {
  return profile === 'rfc9111';
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** RFC 9110, 9.2.1. */
export function isSafeMethod(method: string): boolean {
  return SAFE_METHODS.has(method);
}

/** RFC 9111, 4.4: a non-error status, which is 2xx or 3xx, of an unsafe method invalidates the target URI. */
export function isInvalidatingStatus(status: number): boolean {
  return status >= 200 && status < 400;
}

export function hasValidator({ fields }: TimedResponse): boolean {
  return linesOf(fields, 'etag').length === 1 || linesOf(fields, 'last-modified').length === 1;
}

/** How long an entry is worth keeping; what can be validated outlives its freshness. */
export function keepForMs(response: TimedResponse, rules: Rules, nowMs: number): number {
  const freshForMs = freshnessLifetime(response, rules).lifetimeMs - currentAgeMs(response, rules, nowMs);
  const { directives } = directivesOf(response.fields);
  const staleForMs = Math.max(
    hasValidator(response) ? KEEP_FOR_VALIDATION_MS : 0,
    longestStaleMs(directives, rules),
  );
  return Math.min(Math.max(0, freshForMs) + staleForMs, MAX_KEEP_MS);
}

const KEEP_FOR_VALIDATION_MS = 3_600_000;
const MAX_KEEP_MS = 365 * 86_400_000;

function refusalByStatus(response: TimedResponse, directives: Directives, rules: Rules): Refusal {
  const { status } = response;
  // Only final statuses; answers to conditions (304) are not stored as such.
  if (status < 200 || status === 304) return 'status';
  if (status === 206 && !(storesParts(rules) && partOf(response))) return 'status';
  if (directives.has('must-understand') && !UNDERSTOOD.has(status)) return 'must-understand';
  if (status < 400 || (rules.profile === 'rfc9111' && rules.statuses === undefined)) return undefined;
  return rules.statuses?.has(status) ? undefined : 'status';
}

/** Whose answer this is: RFC 9111, 3.5 for Authorization; in the safe profile a Cookie counts as much. */
export function refusalByRequest(
  request: IncomingHttpHeaders,
  directives: Directives,
  rules: Rules,
): Refusal {
  if (rules.isPublic || directives.has('public') || directives.has('s-maxage')) return undefined;
  const credentials = credentialsOf(request);
  if (rules.profile === 'safe') return credentials;
  return credentials === 'authorization' && !directives.has('must-revalidate') ? credentials : undefined;
}

/** Server-sent events do not end, and who reads them wants those of now. */
function isEventStream({ fields }: TimedResponse): boolean {
  return linesOf(fields, 'content-type').some((type) => /^\s*text\/event-stream\s*(;|$)/i.test(type));
}

/** Fresh for a while, or worth asking about later. */
function isOfUse(response: TimedResponse, directives: Directives, rules: Rules): boolean {
  const { lifetimeMs, source } = freshnessLifetime(response, rules);
  if (source === 'none' && !directives.has('no-cache') && !directives.has('public')) return false;
  if (hasValidator(response) || longestStaleMs(directives, rules) > 0) return true;
  return !directives.has('no-cache') && lifetimeMs > currentAgeMs(response, rules, response.receivedAtMs);
}

/** The Cache-Control of a request. The safe profile heeds none: nobody outside decides how often a handler runs. */
export function wishesOf(request: IncomingHttpHeaders, rules: Rules): Directives {
  const value = request['cache-control'];
  return rules.profile === 'safe' || value === undefined ? NO_WISHES : parseCacheControl([value]);
}

const NO_WISHES: Directives = new Map();
