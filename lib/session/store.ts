/** connect-redis' store with the same options, keys and JSON, that reads and slides in one command and loses nothing. */
import { RedisStore } from 'connect-redis';
import type { Session, SessionData } from 'express-session';
import type { Guard } from '../core/guard.js';
import { answer, answerAtOnce, type Callback, observe } from './answer.js';
import { cookieOf } from './entry.js';
import { contentsOf, type Known } from './known.js';
import { cookieLifetimeMs, isLifetimeChanged } from './lifetime.js';
import { allIds, allSessions, guardListing, type ListedSession, type Listing, removeAll } from './listing.js';
import { Lives, noteDestroyed, watchRead } from './lives.js';
import { type RedisSessionStoreOptions, requireSound } from './options.js';
import { Records } from './records.js';
import type { SessionRequest } from './request.js';
import type { UserId, UserSession } from './user-entry.js';
import { requireUsers } from './users.js';

type Request = Parameters<RedisStore['createSession']>[0];

/**
 * A drop-in for `RedisStore` of connect-redis 9 and 10; both may work on the same sessions at the same time.
 *
 * Every method takes a callback, returns a promise, or both. Errors carry a `code`: ERS_REDIS_UNAVAILABLE,
 * ERS_REDIS_REFUSED, ERS_SESSION_CONFLICT, ERS_SESSION_REVOKED.
 *
 * @throws SuiteError ERS_INVALID_CLIENT, ERS_INVALID_OPTION
 */
export class RedisSessionStore extends RedisStore {
  readonly #records: Records;
  readonly #listingGuard: Guard;
  readonly #listing: Listing;
  readonly #lives = new Lives();

  constructor(options: RedisSessionStoreOptions) {
    super(requireSound(options) as ConstructorParameters<typeof RedisStore>[0]);
    const records = new Records(options);
    this.#records = records;
    this.#listingGuard = guardListing(options.client);
    this.#listing = {
      prefix: this.prefix,
      scanCount: this.scanCount,
      codec: records.codec,
      isOver: (createdMs) => records.isOver(createdMs),
    };
  }

  /** The session, its time to live slid by its own lifetime; null when there is none that can be read. */
  override get(sid: string, cb?: Callback): Promise<SessionData | null> {
    const reading = this.#records.read(sid);
    watchRead(sid, reading);
    return answer(
      observe('get', reading, (found) => (found === null ? 'miss' : 'hit')),
      cb,
    );
  }

  /**
   * Stores a session. One that was destroyed meanwhile stays destroyed, and its id is not taken again for an hour; one
   * that others changed meanwhile is merged with their changes. One whose lifetime is zero or less is destroyed.
   */
  override set(sid: string, session: SessionData, cb?: Callback): Promise<null> {
    const before = this.knownOf(session);
    const saving = this.#records.save(sid, session).then(() => {
      this.#lives.noteSave(sid, session, before, this.knownOf(session));
      return null;
    });
    return answer(observe('set', saving), cb);
  }

  /** Keeps a session alive. Without a command when its read did so already, which is the case in a request. */
  override touch(sid: string, session: SessionData, cb?: Callback): Promise<null> {
    const known = this.#records.known.of(session);
    const isStale = known !== undefined && isLifetimeChanged(known.lifetimeMs, cookieLifetimeMs(session));
    if (isStale && !known.isGone) return this.set(sid, session, cb);
    const isDone = known?.isSlid || known?.isGone || !this.#records.lifetimes.slides;
    if (isDone) return answerAtOnce(cb);
    return answer(observe('touch', this.#records.slide(sid, session).then(nothing)), cb);
  }

  /** Destroys a session, and for an hour whatever would bring it back. */
  override destroy(sid: string, cb?: Callback): Promise<null> {
    const destroying = this.#records.destroy(sid).then((wasThere) => {
      if (wasThere) noteDestroyed(sid);
      return null;
    });
    return answer(observe('destroy', destroying), cb);
  }

  /** express-session's: destroys the request's session and gives it a new one, under a new id. */
  override regenerate(req: Request, cb: (error?: unknown) => unknown): void {
    const { session, sessionID = '' } = req as SessionRequest;
    const known = session == null ? undefined : this.knownOf(session);
    super.regenerate(req, (error?: unknown) => {
      if (!error) this.#lives.noteRenewal(sessionID, known, req.session);
      cb(error);
    });
  }

  /** Destroys all sessions of this prefix and nothing else: see `ids`. */
  override clear(cb?: Callback): Promise<null> {
    return answer(removeAll(this.#listingGuard, this.#listing), cb);
  }

  override length(cb?: Callback): Promise<number> {
    return answer(
      allIds(this.#listingGuard, this.#listing).then((ids) => ids.length),
      cb,
    );
  }

  /** The ids under this prefix. Those with a colon in them belong to a longer prefix and are left out. */
  override ids(cb?: Callback): Promise<string[]> {
    return answer(allIds(this.#listingGuard, this.#listing), cb);
  }

  /** All sessions that can be read, each with its `id`. Slides none of them. */
  override all(cb?: Callback): Promise<ListedSession[]> {
    return answer(allSessions(this.#listingGuard, this.#listing), cb);
  }

  /** With the option `userId`: the sessions of a user, the one used last first. `currentSid`: see `isCurrent`. */
  async list(user: UserId, currentSid?: string): Promise<UserSession[]> {
    return requireUsers(this.#records.users).list(user, currentSid);
  }

  /**
   * With the option `userId`: ends one session of a user, by its handle, or all but one, by handle or session id.
   * Resolves to the number of sessions that ended. A login of that user that is under way while all are revoked fails.
   */
  async revoke(user: UserId, which: string | { readonly except: string }): Promise<number> {
    return requireUsers(this.#records.users).revoke(user, which);
  }

  /** With the option `userId`: ends all sessions of a user. See `revoke`. */
  async revokeAll(user: UserId): Promise<number> {
    return requireUsers(this.#records.users).revoke(user, {});
  }

  /** For `login()`: resolves to what lets a session with these fields in, unless its user's are all revoked meanwhile. */
  async admit(fields: object): Promise<((session: object) => void) | undefined> {
    return this.#records.users?.admit(fields);
  }

  /** express-session's: makes the request's session of what `get` returned. */
  override createSession(req: Request, data: SessionData): Session & SessionData {
    const known = this.#records.known.of(data);
    // Data that was stored without a cookie is express-session's to refuse.
    if (data.cookie !== undefined) data.cookie = cookieOf(data);
    const session = super.createSession(req, data);
    if (known === undefined) return session;
    this.#records.users?.noteRead(session.id, session, known);
    const { cookie } = session;
    const lifetimeMs = cookie.originalMaxAge;
    // Stored is the date of the last save; the read has moved the session's end.
    if (known.isSlid && typeof lifetimeMs === 'number') {
      cookie.maxAge = lifetimeMs;
      cookie.originalMaxAge = lifetimeMs;
    }
    const contents = known.json === undefined ? contentsOf(session) : undefined;
    this.#records.known.note(session, contents === undefined ? known : { ...known, contents });
    return session;
  }

  /** For `sessions()`: what is known of a session object; undefined for one that was never stored. */
  knownOf(session: object): Known | undefined {
    return this.#records.known.of(session);
  }

  /** For `sessions()`: whether a session that was loaded is there still; slides it. */
  async confirm(sid: string, session: SessionData): Promise<boolean> {
    await this.#records.slide(sid, session);
    return this.#records.known.of(session)?.isGone === false;
  }

  /** For `sessions()`: the save or destroy of this id that is under way, undefined when none is. */
  pending(sid: string): Promise<unknown> | undefined {
    return this.#records.pending(sid);
  }
}

function nothing(): null {
  return null;
}
