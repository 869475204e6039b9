/** How long a response is fresh, and how old it is (RFC 9111, 4.2). */
import { deltaSeconds, directivesOf } from './cache-control.js';
import { type Fields, linesOf, singleLine } from './fields.js';
import { parseHttpDate } from './http-date.js';

/** A response as freshness sees it. Times are milliseconds since 1970 by the clock of the process that got it. */
export interface TimedResponse {
  readonly status: number;
  readonly fields: Fields;
  /** When the handler was asked. */
  readonly requestedAtMs: number;
  /** When its status line and headers came. */
  readonly receivedAtMs: number;
}

export interface Lifetime {
  readonly lifetimeMs: number;
  /** Who says so; `none` when nobody does, and then the lifetime is 0. */
  readonly source: 's-maxage' | 'max-age' | 'expires' | 'ttl' | 'heuristic' | 'none';
}

export interface LifetimeRules {
  /** What responses live that declare nothing. */
  readonly ttlMs: number | undefined;
  /** Statuses that `ttlMs` covers besides the heuristically cacheable ones. */
  readonly statuses: ReadonlySet<number> | undefined;
  readonly allowsHeuristics: boolean;
  /** An Age that is not one plain number makes a response as old as can be, instead of counting for nothing. */
  readonly doubtsAge: boolean;
}

/** RFC 9110, 15.1: "heuristically cacheable". */
const HEURISTICALLY_CACHEABLE = new Set([200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501]);
const HEURISTIC_FRACTION = 0.1;
const DAY_MS = 86_400_000;

/** RFC 9111, 4.2.1: s-maxage, else max-age, else Expires less Date, else what nobody declared. */
export function freshnessLifetime(response: TimedResponse, rules: LifetimeRules): Lifetime {
  const { directives, isTargeted } = directivesOf(response.fields);
  for (const source of ['s-maxage', 'max-age'] as const) {
    const seconds = deltaSeconds(directives, source);
    if (seconds !== undefined) return { lifetimeMs: seconds * 1000, source };
  }
  const expires = isTargeted ? [] : linesOf(response.fields, 'expires');
  if (expires.length > 0) return { lifetimeMs: untilExpires(expires, response), source: 'expires' };
  return undeclaredLifetime(response, rules, directives.has('public'));
}

/** RFC 9111, 5.3: invalid dates, especially "0", are in the past; so is what several lines disagree about (4.2.1). */
function untilExpires(expires: readonly string[], response: TimedResponse): number {
  const at = expires.length === 1 ? parseHttpDate(expires[0]!, response.receivedAtMs) : undefined;
  return at === undefined ? 0 : Math.max(0, at - dateOf(response));
}

/**
 * RFC 9111, 4.2.2: where no expiration is explicit, one may be assigned, if the status allows it or the response is
 * explicitly marked as cacheable; a tenth of the time since Last-Modified is typical.
 */
function undeclaredLifetime(response: TimedResponse, rules: LifetimeRules, isPublic: boolean): Lifetime {
  const { status } = response;
  const mayGuess = HEURISTICALLY_CACHEABLE.has(status) || isPublic || rules.statuses?.has(status) === true;
  if (!mayGuess) return { lifetimeMs: 0, source: 'none' };
  if (rules.ttlMs !== undefined) return { lifetimeMs: rules.ttlMs, source: 'ttl' };
  const lastModified = singleLine(response.fields, 'last-modified');
  if (!rules.allowsHeuristics || lastModified === undefined) return { lifetimeMs: 0, source: 'none' };
  const modifiedAt = parseHttpDate(lastModified, response.receivedAtMs) ?? Number.POSITIVE_INFINITY;
  const guess = (dateOf(response) - modifiedAt) * HEURISTIC_FRACTION;
  return guess > 0
    ? { lifetimeMs: Math.min(guess, DAY_MS), source: 'heuristic' }
    : { lifetimeMs: 0, source: 'none' };
}

/** RFC 9110, 6.6.1: without a usable Date, the time it was received. */
export function dateOf({ fields, receivedAtMs }: TimedResponse): number {
  return parseHttpDate(singleLine(fields, 'date') ?? '', receivedAtMs) ?? receivedAtMs;
}

/** RFC 9111, 4.2.3, in its own terms. */
export function currentAgeMs(response: TimedResponse, rules: LifetimeRules, nowMs: number): number {
  return initialAgeMs(response, rules) + residentMs(response, nowMs);
}

/** Its corrected_initial_age. Clocks of two hosts may differ: no age is below 0. */
export function initialAgeMs(response: TimedResponse, rules: LifetimeRules): number {
  const apparentAge = Math.max(0, response.receivedAtMs - dateOf(response));
  const responseDelay = Math.max(0, response.receivedAtMs - response.requestedAtMs);
  const correctedAgeValue = ageValueMs(response.fields, rules) + responseDelay;
  return Math.max(apparentAge, correctedAgeValue);
}

/** Its resident_time. */
export function residentMs({ receivedAtMs }: TimedResponse, nowMs: number): number {
  return Math.max(0, nowMs - receivedAtMs);
}

const MAX_AGE_MS = 2 ** 31 * 1000;

/**
 * RFC 9111, 5.1: of a list only the first member counts, and a field without a non-negative integer there is ignored.
 *
 * The public tests are older than that sentence, and with `doubtsAge` they are followed: what is no number, stands on
 * several lines or says the same twice is no age to rely on, so the response is stale. The standard would call it fresh.
 */
function ageValueMs(fields: Fields, { doubtsAge }: LifetimeRules): number {
  const lines = linesOf(fields, 'age');
  const members = lines.join(',').split(',');
  const first = members[0]!.trim();
  const isNumber = /^\d+$/.test(first);
  const isDoubtful = lines.length > 1 || !isNumber || members.slice(1).some((more) => more.trim() === first);
  if (doubtsAge && lines.length > 0 && isDoubtful) return MAX_AGE_MS;
  return isNumber ? Math.min(Number(first) * 1000, MAX_AGE_MS) : 0;
}
