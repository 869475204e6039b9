/** What a request knows of the session it was given: enough to tell, when it saves, what changed and who changed it. */
import type { Session, SessionData } from 'express-session';
import type { MovedEnd } from './cookie-end.js';
import { type CookieLifetimeMs, cookieLifetimeMs, isLifetimeChanged } from './lifetime.js';

export interface Known {
  /** The bytes that are in Redis as far as this request knows. A save replaces these and no others. */
  readonly stored: Buffer;
  /** The bytes that the request's own object stems from; after a merge these are not the stored ones. */
  readonly view: Buffer;
  /** What the session held, cookie aside, when it was loaded or last saved; undefined: what `json` says. */
  readonly contents: string | undefined;
  /** The session's JSON, where JSON.parse made it of that. */
  readonly json: string | undefined;
  readonly lifetimeMs: CookieLifetimeMs;
  /** When the session began, in milliseconds since 1970, where that is written down. */
  readonly createdMs: number | undefined;
  /** Whether its time to live was seen to in the round trip that read or wrote it. */
  readonly isSlid: boolean;
  /** When the browser's cookie is due to be sent again, in milliseconds since 1970. */
  readonly renewAtMs: number;
  /** Of data that `read` returned, if the date in its cookie was moved. */
  readonly end?: MovedEnd | undefined;
  /** Whether this request saved it, and not just read it. */
  readonly isSaved: boolean;
  /** It was destroyed or regenerated meanwhile: nothing may bring it back. */
  readonly isGone: boolean;
  /** Whose it was when it was read or saved, with the option `userId`. */
  readonly user: string | undefined;
  /** For how long nobody had used it when it was read, in milliseconds; 0 unless its time to live was slid then. */
  readonly idleMs: number;
}

/** Of a session that its request has just saved. */
export const FRESHLY_SAVED: Pick<Known, 'json' | 'isSlid' | 'renewAtMs' | 'isSaved' | 'isGone' | 'idleMs'> = {
  json: undefined,
  isSlid: true,
  renewAtMs: Number.POSITIVE_INFINITY,
  isSaved: true,
  isGone: false,
  idleMs: 0,
};

const NOTHING = Buffer.alloc(0);

/** Of a session that was gone before its request could store it. */
export const NEVER_STORED: Known = {
  ...FRESHLY_SAVED,
  stored: NOTHING,
  view: NOTHING,
  contents: '',
  lifetimeMs: undefined,
  createdMs: undefined,
  user: undefined,
  isSaved: false,
  isGone: true,
};

/** What a store knows of a session object: never stored, as it is stored, changed since, or destroyed by others. */
export type SessionState = 'new' | 'saved' | 'changed' | 'gone';

/** What is known of each session object, kept on the object itself: a WeakMap with an entry per request costs the collector more. */
export class Knowledge {
  readonly #key = Symbol('known');

  of(session: object): Known | undefined {
    return (session as Record<symbol, Known | undefined>)[this.#key];
  }

  note(session: object, known: Known): void {
    // Not enumerable, so that no serializer and no copy takes it along.
    Object.defineProperty(session, this.#key, { value: known, writable: true, configurable: true });
  }
}

export function stateOf(session: Partial<SessionData>, known: Known | undefined): SessionState {
  if (known === undefined) return 'new';
  if (known.isGone) return 'gone';
  if (isLifetimeChanged(known.lifetimeMs, cookieLifetimeMs(session))) return 'changed';
  return holdsTheSame(known, contentsOf(session)) ? 'saved' : 'changed';
}

/** Everything but the cookie, whose date moves in every request; the way express-session compares. */
export function contentsOf(session: Partial<SessionData>): string {
  // Quicker than taking the cookie out of a copy; JSON leaves out what is undefined.
  return JSON.stringify({ ...session, cookie: undefined });
}

/** As express-session and connect-redis write it. */
const COOKIE_FIRST = '{"cookie":{';

/** Mostly the stored text goes on after its cookie exactly as the session does now; else a closer look is due. */
function holdsTheSame({ contents, json = '' }: Known, now: string): boolean {
  if (contents !== undefined) return contents === now;
  // A brace further in, as in the cookie's path, ends it too early: then the rest is not the JSON of any object.
  const rest = json.startsWith(COOKIE_FIRST) ? json.slice(json.indexOf('}') + 1) : '';
  if (rest === (now === '{}' ? '}' : `,${now.slice(1)}`)) return true;
  return contentsOf(JSON.parse(json)) === now;
}

/** A session object of express-session, and not plain data. */
export function isOfRequest(session: SessionData): session is Session & SessionData {
  return typeof (session as Partial<Session>).save === 'function';
}
