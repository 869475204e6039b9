/** How long a session lives: its cookie's own lifetime if it has one, else the store's. Pure, in milliseconds. */
import type { SessionData } from 'express-session';
import { invalidOption } from '../core/errors.js';

/** connect-redis' option `ttl`: seconds, or a function of the session that returns seconds. */
export type Ttl = number | ((session: SessionData) => number);

/**
 * What `cookie.originalMaxAge` says: milliseconds; null for a cookie that ends with the browser; undefined when there is
 * no such field.
 */
export type CookieLifetimeMs = number | null | undefined;

/** `resetMaxAge()` of express-session reads the clock twice, so a lifetime that nobody changed may shrink a little. */
const CLOCK_DRIFT_MS = 100;
/** Some 140,000 years: Redis takes no more than an int64 of milliseconds since 1970. */
const LONGEST_MS = 2 ** 52;

/**
 * How long a session lives from now on, in milliseconds; zero or less for one that has ended.
 *
 * Not `cookie.expires`: a session that was only read since keeps the date of its last save, which may have passed
 * (connect-redis then deletes a session in use). Every setter of the cookie keeps `originalMaxAge` in step.
 */
export function lifetimeMsOf(session: SessionData, ttl: Ttl, nowMs: number): number {
  if (typeof ttl === 'function') return msFromSeconds(ttl(session));
  const ownMs = cookieLifetimeMs(session);
  if (typeof ownMs === 'number') return wholeMs(ownMs);
  const expires = session.cookie?.expires;
  const endMs = expires ? new Date(expires).getTime() : Number.NaN;
  return Number.isNaN(endMs) ? msFromSeconds(ttl) : wholeMs(endMs - nowMs);
}

/** The store's options about time, resolved. */
export interface Lifetimes {
  readonly ttl: Ttl;
  /** connect-redis' `disableTTL` says no. */
  readonly hasTtl: boolean;
  /** Neither `disableTTL` nor `disableTouch`. */
  readonly slides: boolean;
  readonly absoluteTtlMs: number | undefined;
  readonly touchAfterMs: number;
}

/**
 * For how long Redis keeps a session, in milliseconds from now; infinite where it has no end, zero or less where it has
 * ended.
 */
export function endsInMs(
  session: SessionData,
  createdMs: number | undefined,
  { ttl, hasTtl, absoluteTtlMs }: Lifetimes,
  nowMs: number,
): number {
  const lifetimeMs = lifetimeMsOf(session, ttl, nowMs);
  if (lifetimeMs <= 0) return lifetimeMs;
  const idleMs = hasTtl ? lifetimeMs : Number.POSITIVE_INFINITY;
  return Math.min(idleMs, absoluteLeftMs(createdMs, absoluteTtlMs, nowMs));
}

/** What is left of the absolute timeout; infinite without one. A beginning in the future is another host's clock. */
export function absoluteLeftMs(
  createdMs: number | undefined,
  absoluteTtlMs: number | undefined,
  nowMs: number,
): number {
  if (createdMs === undefined || absoluteTtlMs === undefined) return Number.POSITIVE_INFINITY;
  return Math.min(createdMs, nowMs) + absoluteTtlMs - nowMs;
}

/** A lifetime or date that is none, as of an app's `Number(undefined)`, is none of its own; JSON stores null for it. */
export function cookieLifetimeMs(session: Partial<SessionData>): CookieLifetimeMs {
  const lifetimeMs = session.cookie?.originalMaxAge;
  return Number.isNaN(lifetimeMs) ? null : lifetimeMs;
}

/**
 * When the browser's cookie has had half its life, in milliseconds since 1970; never for one without an end.
 *
 * A cookie goes out with each save, and only then; so what is stored is what the browser has. Other stores may move the
 * date, so a session that is taken over from one is due at once.
 */
export function renewAtMsOf({ cookie }: Partial<SessionData>, isAdopted = false): number {
  const [lifetimeMs, expires] = [cookie?.originalMaxAge, cookie?.expires];
  if (typeof lifetimeMs !== 'number' || !expires) return Number.POSITIVE_INFINITY;
  if (isAdopted) return 0;
  return new Date(expires).getTime() - lifetimeMs / 2;
}

/** Whether somebody set the cookie's lifetime anew. */
export function isLifetimeChanged(before: CookieLifetimeMs, after: CookieLifetimeMs): boolean {
  if (typeof before !== 'number' || typeof after !== 'number') return (before ?? null) !== (after ?? null);
  return Math.abs(before - after) > CLOCK_DRIFT_MS;
}

/** After a merge the browser shall get the lifetime that is stored, unless the handler has set another by now. */
export function takeOverLifetime(
  { cookie }: SessionData,
  savedMs: CookieLifetimeMs,
  storedMs: CookieLifetimeMs,
): void {
  if (!isLifetimeChanged(savedMs, storedMs) || isLifetimeChanged(savedMs, cookie?.originalMaxAge)) return;
  cookie.maxAge = storedMs as number;
  cookie.originalMaxAge = storedMs ?? null;
}

/**
 * What the script that reads a session takes for the lifetime of one without its own; 0 when it shall slide none,
 * because only a function knows the lifetime.
 */
export function fallbackMs(ttl: Ttl): number {
  return typeof ttl === 'function' ? 0 : msFromSeconds(ttl);
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function requireTtl(ttl: unknown): void {
  if (typeof ttl === 'function' || (typeof ttl === 'number' && ttl > 0 && Number.isFinite(ttl))) return;
  throw invalidOption('ttl', ttl, 'Give seconds, more than 0, or a function that returns seconds.');
}

function msFromSeconds(seconds: number): number {
  if (typeof seconds === 'number' && !Number.isNaN(seconds)) return wholeMs(seconds * 1000);
  throw invalidOption('ttl', seconds, 'The function has to return seconds; 0 or less ends the session.');
}

function wholeMs(ms: number): number {
  return Math.min(Math.ceil(ms), LONGEST_MS);
}
