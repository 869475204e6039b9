/** The windows of a limiter, and how they are called when nobody names them: `5-in-1min`. */
import { createHash } from 'node:crypto';
import { invalidOption } from '../core/errors.js';
import { checkLimit, checkWindow, isName } from './checks.js';
import type { RateLimitOptions, RateLimitPolicy } from './options.js';

/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const SECOND = 1000;
/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const MINUTE: number = 60 * SECOND;
/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const HOUR: number = 60 * MINUTE;
/** Milliseconds. @deprecated Kept for those who import it from express-rate-limit. */
export const DAY: number = 24 * HOUR;

export type Policy = Required<RateLimitPolicy>;

/**
 * What `limits` says, the longest window first; nothing without it.
 *
 * @throws SuiteError ERS_INVALID_OPTION
 */
export function policiesOf({ limits, windowMs, limit, max }: RateLimitOptions): Policy[] {
  if (limits === undefined) return [];
  if (windowMs !== undefined || limit !== undefined || max !== undefined)
    throw invalidOption('limits', limits, 'It says it all: leave out `windowMs` and `limit`.');
  if (!Array.isArray(limits) || limits.length === 0)
    throw invalidOption('limits', limits, 'Use a list such as [{ windowMs: 60_000, limit: 5 }].');
  const policies = limits.map(completed).sort((one, other) => other.windowMs - one.windowMs);
  if (new Set(policies.map(({ name }) => name)).size < policies.length)
    throw invalidOption('limits', limits, 'Two of them have one name: give each its own.');
  // An endless one limits nothing; beside others it would only be in their way.
  const finite = policies.filter(({ limit }) => limit !== Number.POSITIVE_INFINITY);
  return finite.length > 0 ? finite : policies;
}

/** What a limiter is called in Redis when nobody named it. */
export function nameOf(limit: unknown, windowMs: number, policies: readonly Policy[]): string {
  const units = typeof limit === 'function' ? 'dynamic' : String(limit);
  const spelled = policies.map((policy) => policyName(policy.limit, policy.windowMs)).join('+');
  const name = spelled || policyName(units, windowMs);
  if (isName(name)) return name;
  // Too long for a key, or written in other characters: nobody chose it, so nobody has to mend it.
  const digest = createHash('sha256').update(name).digest('base64url').slice(0, 10);
  return policies.length > 1 ? `several-${digest}` : `policy-${digest}`;
}

function completed({ windowMs, limit, name }: RateLimitPolicy): Policy {
  const checked = { windowMs: checkWindow(windowMs), limit: checkLimit(limit) };
  if (name !== undefined && !/^[ !#-[\]-~]+$/.test(name))
    throw invalidOption('limits', name, 'A name is of printable ASCII without quotes and backslashes.');
  return { ...checked, name: name ?? policyName(checked.limit, checked.windowMs) };
}

/** The policy in the words of express-rate-limit's default `identifier`. */
export function policyName(limit: number | string, windowMs: number): string {
  return `${limit}-in-${spellDuration(windowMs)}`;
}

function spellDuration(ms: number): string {
  if (ms < MINUTE) return `${ms / SECOND}sec`;
  if (ms < HOUR) return `${ms / MINUTE}min`;
  if (ms < DAY) return plural(ms / HOUR, 'hr');
  return plural(ms / DAY, 'day');
}

function plural(count: number, unit: string): string {
  return `${count}${unit}${count > 1 ? 's' : ''}`;
}
