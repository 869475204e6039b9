/** What of the store may answer whom, and how old it is (RFC 9111, 4; RFC 5861). */
import type { IncomingHttpHeaders } from 'node:http';
import { type Directives, deltaSeconds, directivesOf } from './cache-control.js';
import type { Fields } from './fields.js';
import { freshnessLifetime, initialAgeMs, residentMs, type TimedResponse } from './freshness.js';
import { hasValidator, type Rules, refusalByRequest, refusalForAll, wishesOf } from './policy.js';
import { holdsRange } from './ranges.js';
import { forbidsStale, type StaleBecause, staleWindowMs } from './stale.js';

/** How a stored response may be used for a request. */
export type Use =
  | { readonly may: 'serve'; readonly ageMs: number; readonly ttlMs: number; readonly isFresh: boolean }
  | { readonly may: 'validate' }
  | { readonly may: 'nothing' };

export type Serving = Extract<Use, { may: 'serve' }>;

/** RFC 9111, 4: whether a stored response may satisfy a request, and whether it must be validated first. */
export function useOf(stored: TimedResponse, request: IncomingHttpHeaders, rules: Rules, nowMs: number): Use {
  const terms = termsOf(stored, rules);
  if (!mayAnswer(stored, terms, request)) return NOTHING;
  const wishes = wishesOf(request, rules);
  const ageMs = terms.initialAgeMs + residentMs(stored, nowMs);
  const ttlMs = terms.lifetimeMs - ageMs;
  // RFC 9111, 4: not without validation under no-cache; the form that names fields counts as the plain one.
  const mustValidate = terms.directives.has('no-cache') || wishes.has('no-cache');
  if (!mustValidate && isYoungEnough(wishes, ageMs) && isFreshEnough(wishes, terms.directives, ttlMs))
    return { may: 'serve', ageMs, ttlMs, isFresh: ttlMs > 0 };
  return hasValidator(stored) ? VALIDATE : NOTHING;
}

const VALIDATE: Use = { may: 'validate' };
const NOTHING: Use = { may: 'nothing' };

/** RFC 5861: a stored response that is stale, served all the same. Undefined when it may not be. */
export function useStale(
  stored: TimedResponse,
  request: IncomingHttpHeaders,
  rules: Rules,
  nowMs: number,
  because: StaleBecause,
): Serving | undefined {
  const terms = termsOf(stored, rules);
  if (!mayAnswer(stored, terms, request)) return undefined;
  const { directives } = terms;
  const wishes = wishesOf(request, rules);
  const ageMs = terms.initialAgeMs + residentMs(stored, nowMs);
  const ttlMs = terms.lifetimeMs - ageMs;
  const wantsLess = wishes.has('no-cache') || wishes.has('min-fresh') || !isYoungEnough(wishes, ageMs);
  if (forbidsStale(directives) || wantsLess) return undefined;
  // RFC 5861, 4: a request may say it too, for itself.
  const wishMs = because === 'while-revalidate' ? 0 : (deltaSeconds(wishes, 'stale-if-error') ?? 0) * 1000;
  const windowMs = Math.max(wishMs, staleWindowMs(directives, rules, because));
  return -ttlMs < windowMs ? { may: 'serve', ageMs, ttlMs, isFresh: false } : undefined;
}

/** What is true of a stored response whoever asks and whenever. */
interface Terms {
  readonly stored: Pick<TimedResponse, 'status' | 'requestedAtMs' | 'receivedAtMs'>;
  readonly rules: Rules;
  readonly directives: Directives;
  readonly isRefused: boolean;
  readonly lifetimeMs: number;
  readonly initialAgeMs: number;
}

const TERMS = Symbol('terms');

/** Worked out once, and kept on the fields, which nobody changes: a hit has its answer ready. */
function termsOf(stored: TimedResponse, rules: Rules): Terms {
  const fields = stored.fields as Fields & { [TERMS]?: Terms };
  const known = fields[TERMS];
  if (known !== undefined && known.rules === rules && isSameTime(known.stored, stored)) return known;
  const { status, requestedAtMs, receivedAtMs } = stored;
  fields[TERMS] = {
    stored: { status, requestedAtMs, receivedAtMs },
    rules,
    directives: directivesOf(fields).directives,
    isRefused: refusalForAll(stored, rules) !== undefined,
    lifetimeMs: freshnessLifetime(stored, rules).lifetimeMs,
    initialAgeMs: initialAgeMs(stored, rules),
  };
  return fields[TERMS];
}

function isSameTime(one: Terms['stored'], other: Terms['stored']): boolean {
  const { status, requestedAtMs, receivedAtMs } = one;
  const isSameWait = requestedAtMs === other.requestedAtMs && receivedAtMs === other.receivedAtMs;
  return isSameWait && status === other.status;
}

/**
 * Another profile, a changed option or a forged entry: what we would not store for this request, we do not serve. And of a
 * part only what is in it.
 */
function mayAnswer(stored: TimedResponse, terms: Terms, request: IncomingHttpHeaders): boolean {
  const { isRefused, directives, rules } = terms;
  if (isRefused || refusalByRequest(request, directives, rules) !== undefined) return false;
  return stored.status !== 206 || holdsRange(stored, request);
}

/** RFC 9111, 5.2.1.1: max-age of a request bounds the age. */
function isYoungEnough(wishes: Directives, ageMs: number): boolean {
  const maxAge = deltaSeconds(wishes, 'max-age');
  return maxAge === undefined || ageMs <= maxAge * 1000;
}

/** RFC 9111, 5.2.1.2 max-stale and 5.2.1.3 min-fresh; 4.2.4: some directives forbid stale answers altogether. */
function isFreshEnough(wishes: Directives, directives: Directives, ttlMs: number): boolean {
  const minFreshMs = (deltaSeconds(wishes, 'min-fresh') ?? 0) * 1000;
  if (ttlMs > 0 && ttlMs >= minFreshMs) return true;
  if (forbidsStale(directives) || !wishes.has('max-stale') || minFreshMs > 0) return false;
  const isUnbounded = wishes.get('max-stale')?.[0] === '';
  return isUnbounded || -ttlMs <= (deltaSeconds(wishes, 'max-stale') ?? 0) * 1000;
}
