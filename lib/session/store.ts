/** connect-redis' store with the same options, keys and JSON, that reads and slides in one command and loses nothing. */
import { RedisStore } from 'connect-redis';
import type { Session, SessionData } from 'express-session';
import { type Guard, guardRedis } from '../core/guard.js';
import { runScript } from '../core/script.js';
import { answer, answerAtOnce, type Callback, observe } from './answer.js';
import { cookieOf } from './entry.js';
import { contentsOf, Knowledge, type Known } from './known.js';
import { cookieLifetimeMs, fallbackMs, isLifetimeChanged, lifetimeMsOf, renewAtMsOf } from './lifetime.js';
import { allIds, allSessions, guardListing, type ListedSession, removeAll } from './listing.js';
import { DEFAULT_DEADLINE_MS, type RedisSessionStoreOptions, requireSound } from './options.js';
import { readScript } from './read.lua.js';
import { isJson, readable, type Saving, saveSession } from './save.js';
import { touchScript } from './touch.lua.js';
import { Turns } from './turns.js';

type Request = Parameters<RedisStore['createSession']>[0];

/**
 * A drop-in for `RedisStore` of connect-redis 9 and 10; both may work on the same sessions at the same time.
 *
 * Every method takes a callback, returns a promise, or both. Errors carry a `code`: ERS_REDIS_UNAVAILABLE,
 * ERS_REDIS_REFUSED, ERS_SESSION_CONFLICT.
 *
 * @throws SuiteError ERS_INVALID_CLIENT, ERS_INVALID_OPTION
 */
export class RedisSessionStore extends RedisStore {
  readonly #guard: Guard;
  readonly #listingGuard: Guard;
  readonly #deadlineMs: number;
  readonly #turns = new Turns();
  /** By the data that `get` returned, and by the session object that express-session made of it. */
  readonly #known = new Knowledge();

  constructor(options: RedisSessionStoreOptions) {
    super(requireSound(options) as ConstructorParameters<typeof RedisStore>[0]);
    this.#deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    this.#guard = guardRedis(options.client, { feature: 'session', deadlineMs: this.#deadlineMs });
    this.#listingGuard = guardListing(options.client);
  }

  /** The session, its time to live slid by its own lifetime; null when there is none that can be read. */
  override get(sid: string, cb?: Callback): Promise<SessionData | null> {
    return answer(
      observe('get', this.#read(sid), (found) => (found === null ? 'miss' : 'hit')),
      cb,
    );
  }

  /**
   * Stores a session. One that was loaded and destroyed meanwhile stays destroyed; one that others changed meanwhile is
   * merged with their changes. One whose lifetime is zero or less is destroyed.
   */
  override set(sid: string, session: SessionData, cb?: Callback): Promise<null> {
    return answer(observe('set', this.#save(sid, session)), cb);
  }

  /** Keeps a session alive. Without a command when its read did so already, which is the case in a request. */
  override touch(sid: string, session: SessionData, cb?: Callback): Promise<null> {
    const known = this.#known.of(session);
    const isStale = known !== undefined && isLifetimeChanged(known.lifetimeMs, cookieLifetimeMs(session));
    if (isStale && !known.isGone) return this.set(sid, session, cb);
    const isDone = known?.isSlid || known?.isGone || this.disableTTL || this.disableTouch;
    if (isDone) return answerAtOnce(cb);
    return answer(observe('touch', this.#slide(sid, session)), cb);
  }

  override destroy(sid: string, cb?: Callback): Promise<null> {
    return answer(
      observe(
        'destroy',
        this.#turns.take(sid, () => this.#remove(sid)),
      ),
      cb,
    );
  }

  /** Destroys all sessions of this prefix and nothing else: see `ids`. */
  override clear(cb?: Callback): Promise<null> {
    return answer(removeAll(this.#listingGuard, this), cb);
  }

  override length(cb?: Callback): Promise<number> {
    return answer(
      allIds(this.#listingGuard, this).then((ids) => ids.length),
      cb,
    );
  }

  /** The ids under this prefix. Those with a colon in them belong to a longer prefix and are left out. */
  override ids(cb?: Callback): Promise<string[]> {
    return answer(allIds(this.#listingGuard, this), cb);
  }

  /** All sessions that can be read, each with its `id`. Slides none of them. */
  override all(cb?: Callback): Promise<ListedSession[]> {
    return answer(allSessions(this.#listingGuard, this), cb);
  }

  /** express-session's: makes the request's session of what `get` returned. */
  override createSession(req: Request, data: SessionData): Session & SessionData {
    const known = this.#known.of(data);
    data.cookie = cookieOf(data);
    const session = super.createSession(req, data);
    if (known === undefined) return session;
    const { cookie } = session;
    const lifetimeMs = cookie.originalMaxAge;
    // Stored is the date of the last save; the read has moved the session's end.
    if (known.isSlid && typeof lifetimeMs === 'number') {
      cookie.maxAge = lifetimeMs;
      cookie.originalMaxAge = lifetimeMs;
    }
    const contents = known.json === undefined ? contentsOf(session) : undefined;
    this.#known.note(session, contents === undefined ? known : { ...known, contents });
    return session;
  }

  /** For `sessions()`: what is known of a session object; undefined for one that was never stored. */
  knownOf(session: object): Known | undefined {
    return this.#known.of(session);
  }

  /** For `sessions()`: the save or destroy of this id that is under way, undefined when none is. */
  pending(sid: string): Promise<unknown> | undefined {
    return this.#turns.pending(sid);
  }

  async #read(sid: string): Promise<SessionData | null> {
    const fallback = this.disableTTL || this.disableTouch ? 0 : fallbackMs(this.ttl);
    const reply = (await this.#guard.run((redis) =>
      runScript(redis, readScript, [this.prefix + sid], [String(fallback)], 'bytes'),
    )) as [Buffer, number] | null;
    if (reply === null) return null;
    const [stored, isSlid] = reply;
    const text = stored.toString();
    const parsed = readable(this.serializer, text);
    // JSON answers at once; only a promise is worth a turn of the event loop.
    const data = parsed instanceof Promise ? await parsed : parsed;
    if (data === undefined) return null;
    this.#known.note(data, {
      stored,
      view: stored,
      contents: undefined,
      json: isJson(this.serializer) ? text : undefined,
      lifetimeMs: cookieLifetimeMs(data),
      isSlid: isSlid === 1,
      renewAtMs: this.disableTouch ? Number.POSITIVE_INFINITY : renewAtMsOf(data),
      isSaved: false,
      isGone: false,
    });
    return data;
  }

  /** The session as it is at this moment goes into the queue; what changes later needs another save. */
  async #save(sid: string, session: SessionData): Promise<null> {
    const snapshot = {
      contents: isOfRequest(session) ? contentsOf(session) : '',
      json: undefined,
      lifetimeMs: cookieLifetimeMs(session),
      isSlid: true,
      renewAtMs: Number.POSITIVE_INFINITY,
      isSaved: true,
      isGone: false,
    };
    const livesForMs = this.#livesForMs(session);
    const text = Promise.resolve(this.serializer.stringify(session));
    // It may fail while this waits for its turn; it is awaited then.
    text.catch(() => {});
    return this.#turns.take(sid, async () => {
      const known = this.#known.of(session);
      if (known?.isGone) return null;
      const draft = { key: this.prefix + sid, text: await text, livesForMs };
      const saved = await saveSession(this.#saving(), draft, known);
      // Of plain data nobody can say later whether it is the same session still, so nothing is remembered of it.
      if (known === undefined && !isOfRequest(session)) return null;
      this.#known.note(session, saved ? { ...saved, ...snapshot } : { ...(known as Known), isGone: true });
      return null;
    });
  }

  async #slide(sid: string, session: SessionData): Promise<null> {
    const livesForMs = this.#livesForMs(session);
    // An ended lifetime is a matter for `set`: a touch destroys nothing.
    if (livesForMs <= 0) return null;
    await this.#guard.run((redis) =>
      runScript(redis, touchScript, [this.prefix + sid], [String(livesForMs)]),
    );
    return null;
  }

  async #remove(sid: string): Promise<null> {
    await this.#guard.run((redis) => redis.unlink(this.prefix + sid));
    return null;
  }

  #livesForMs(session: SessionData): number {
    return lifetimeMsOf(session, this.ttl, Date.now());
  }

  #saving(): Saving {
    return {
      guard: this.#guard,
      serializer: this.serializer,
      livesForMs: (session) => this.#livesForMs(session),
      hasTtl: !this.disableTTL,
      patienceMs: this.#deadlineMs,
    };
  }
}

function isOfRequest(session: SessionData): boolean {
  return typeof (session as Partial<Session>).save === 'function';
}
