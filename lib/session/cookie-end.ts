/** The date in a session's cookie, for who reads the data: it moves with each use; what is stored keeps the browser's. */
import type { SessionData } from 'express-session';

/** A session that is read within this time of its save has not been slid since. */
const AT_ONCE_MS = 50;

/** A date in stored data: the one that the browser's cookie has, and the one that the reader of the data is shown. */
export interface MovedEnd {
  readonly sent: Date;
  readonly shown: string;
}

/**
 * The cookie of data whose session has just been slid says when that ends now, as it does in express-session's MemoryStore.
 * Right after a save it says that already, so nothing moves.
 */
export function moveEnd(data: SessionData, nowMs: number): MovedEnd | undefined {
  const [lifetimeMs, expires] = [data.cookie?.originalMaxAge, data.cookie?.expires];
  if (typeof lifetimeMs !== 'number' || !expires) return undefined;
  const sent = new Date(expires);
  const end = new Date(nowMs + lifetimeMs);
  if (Number.isNaN(end.getTime()) || !(Math.abs(end.getTime() - sent.getTime()) > AT_ONCE_MS))
    return undefined;
  const shown = end.toISOString();
  data.cookie = { ...data.cookie, expires: shown as unknown as Date };
  return { sent, shown };
}

/** Data as it is to be stored: unless somebody has set another date, with the one that the browser's cookie has. */
export function withSentEnd(data: SessionData, end: MovedEnd | undefined): SessionData {
  if (end === undefined || (data.cookie?.expires as unknown) !== end.shown) return data;
  return { ...data, cookie: { ...data.cookie, expires: end.sent } };
}
