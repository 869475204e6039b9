/** What a request knows of the session it was given: enough to tell, when it saves, what changed and who changed it. */
import type { SessionData } from 'express-session';
import { type CookieLifetimeMs, cookieLifetimeMs, isLifetimeChanged } from './lifetime.js';

export interface Known {
  /** The bytes that are in Redis as far as this request knows. A save replaces these and no others. */
  readonly stored: Buffer;
  /** The bytes that the request's own object stems from; after a merge these are not the stored ones. */
  readonly view: Buffer;
  /** What the session held, cookie aside, when it was loaded or last saved. */
  readonly contents: string;
  readonly lifetimeMs: CookieLifetimeMs;
  /** Whether its time to live was seen to in the round trip that read or wrote it. */
  readonly isSlid: boolean;
  /** It was destroyed or regenerated meanwhile: nothing may bring it back. */
  readonly isGone: boolean;
}

/** What a store knows of a session object: never stored, as it is stored, changed since, or destroyed by others. */
export type SessionState = 'new' | 'saved' | 'changed' | 'gone';

export function stateOf(session: Partial<SessionData>, known: Known | undefined): SessionState {
  if (known === undefined) return 'new';
  if (known.isGone) return 'gone';
  if (isLifetimeChanged(known.lifetimeMs, cookieLifetimeMs(session))) return 'changed';
  return known.contents === contentsOf(session) ? 'saved' : 'changed';
}

/** Everything but the cookie, whose date moves in every request; the way express-session compares. */
export function contentsOf(session: Partial<SessionData>): string {
  const { cookie: _cookie, ...contents } = session;
  return JSON.stringify(contents);
}
