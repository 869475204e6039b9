/** The sessions in Redis: read, saved, kept alive and destroyed, each in one command where nobody interferes. */
import type { Session, SessionData } from 'express-session';
import { type Guard, guardRedis } from '../core/guard.js';
import { runScript } from '../core/script.js';
import { type Codec, codecOf, type Entry, type Serializer } from './codec.js';
import { contentsOf, Knowledge, type Known } from './known.js';
import {
  absoluteLeftMs,
  type CookieLifetimeMs,
  cookieLifetimeMs,
  endsInMs,
  fallbackMs,
  isLifetimeChanged,
  type Lifetimes,
  renewAtMsOf,
} from './lifetime.js';
import { conflictRule } from './merge.js';
import { nameSessions, type SessionName, type SessionNames } from './names.js';
import { DEFAULT_DEADLINE_MS, lifetimesOf, type RedisSessionStoreOptions } from './options.js';
import { readScript } from './read.lua.js';
import { destroySession, type Saving, saveSession, setIf, sha1 } from './save.js';
import { touchScript } from './touch.lua.js';
import { Turns } from './turns.js';
import { type Users, usersOf } from './users.js';

export class Records {
  /** By the data that `read` returned, and by the session object that express-session made of it. */
  readonly known: Knowledge = new Knowledge();
  readonly codec: Codec;
  readonly lifetimes: Lifetimes;
  readonly users: Users | undefined;
  readonly #names: SessionNames;
  readonly #guard: Guard;
  readonly #turns = new Turns();
  readonly #saving: Saving;
  /** When sessions that are not stored yet began, in milliseconds since 1970. */
  readonly #begun = new WeakMap<object, number>();

  constructor(options: RedisSessionStoreOptions) {
    const { client, deadlineMs = DEFAULT_DEADLINE_MS, serializer } = options;
    this.#guard = guardRedis(client, { feature: 'session', deadlineMs });
    this.#names = nameSessions(options, this.#guard.redis.keyPrefix);
    this.codec = codecOf(serializer ?? (JSON as Serializer));
    this.lifetimes = lifetimesOf(options);
    this.#saving = {
      guard: this.#guard,
      codec: this.codec,
      endsInMs: (session, createdMs) => endsInMs(session, createdMs, this.lifetimes, Date.now()),
      patienceMs: deadlineMs,
      decideConflict: conflictRule(options.onConflict),
    };
    this.users = usersOf(options, this.#guard, this.#names, this.lifetimes);
  }

  async read(sid: string): Promise<SessionData | null> {
    const name = this.#names.of(sid);
    const reply = await this.#fetch(name);
    if (reply === null) return null;
    const [stored, isSlid, idleMs = 0] = reply;
    const decoded = this.codec.decode(stored.toString());
    // JSON answers at once; only a promise is worth a turn of the event loop.
    const entry = decoded instanceof Promise ? await decoded : decoded;
    if (entry === undefined) return null;
    if (this.isOver(entry.createdMs)) return this.#end(sid);
    const { data, json } = entry;
    const begun = this.#isUndated(entry) ? await this.#date(name, stored, entry) : { stored, ...entry };
    this.known.note(data, {
      stored: begun.stored,
      view: begun.stored,
      contents: undefined,
      json,
      lifetimeMs: cookieLifetimeMs(data),
      createdMs: begun.createdMs,
      user: this.users?.userAtLoad(data),
      idleMs,
      isSlid: isSlid === 1,
      renewAtMs: this.lifetimes.slides ? renewAtMsOf(data) : Number.POSITIVE_INFINITY,
      isSaved: false,
      isGone: false,
    });
    return data;
  }

  /** The session as it is at this moment goes into the queue; what changes later needs another save. */
  async save(sid: string, session: SessionData): Promise<void> {
    const isLive = isOfRequest(session);
    const contents = isLive ? contentsOf(session) : '';
    const lifetimeMs = cookieLifetimeMs(session);
    const user = this.users?.userOf(session);
    const createdMs = this.known.of(session)?.createdMs ?? this.#beginningOf(session);
    const remainingMs = this.#saving.endsInMs(session, createdMs);
    const encoded = Promise.resolve(this.codec.encode(session, { createdMs }));
    // It may fail while this waits for its turn; it is awaited then.
    encoded.catch(() => {});
    await this.#turns.take(sid, async () => {
      const known = this.known.of(session);
      if (known?.isGone) return;
      const draft = { text: await encoded, createdMs, endsInMs: remainingMs, lifetimeMs };
      const save = () => saveSession(this.#saving, this.#names.of(sid), draft, known);
      const users = remainingMs > 0 ? this.users : undefined;
      const saved = await (users?.saveWith(sid, session, user, known, save) ?? save());
      // Of plain data nobody can say later whether it is the same session still, so nothing is remembered of it.
      if (known === undefined && !isLive) return;
      if (saved === undefined) return this.known.note(session, { ...(known ?? NEVER_STORED), isGone: true });
      if (isLive) takeOverLifetime(session, lifetimeMs, saved.lifetimeMs);
      const storedMs = isLive ? saved.lifetimeMs : lifetimeMs;
      this.known.note(session, { ...FRESHLY_SAVED, ...saved, lifetimeMs: storedMs, contents, user });
    });
  }

  async slide(sid: string, session: SessionData): Promise<void> {
    const createdMs = this.known.of(session)?.createdMs;
    const remainingMs = endsInMs(session, createdMs, this.lifetimes, Date.now());
    // An ended lifetime is a matter for `save`: this destroys nothing.
    if (remainingMs <= 0) return;
    const args = [String(Math.ceil(remainingMs)), String(this.lifetimes.touchAfterMs)];
    await this.#guard.run((redis) => runScript(redis, touchScript, [this.#names.of(sid).key], args));
  }

  destroy(sid: string): Promise<boolean> {
    return this.#turns.take(sid, () => destroySession(this.#guard, this.#names.of(sid)));
  }

  /** The save or destroy of this id that is under way, undefined when none is. */
  pending(sid: string): Promise<unknown> | undefined {
    return this.#turns.pending(sid);
  }

  /** Whether the absolute timeout of a session with that beginning is over. */
  isOver(createdMs: number | undefined): boolean {
    return absoluteLeftMs(createdMs, this.lifetimes.absoluteTtlMs, Date.now()) <= 0;
  }

  #fetch({ key, tombstone }: SessionName): Promise<[Buffer, number, number?] | null> {
    const { slides, ttl, touchAfterMs, absoluteTtlMs = 0 } = this.lifetimes;
    const args = [slides ? fallbackMs(ttl) : 0, touchAfterMs, absoluteTtlMs, absoluteTtlMs && Date.now()];
    const reply = this.#guard.run((redis) =>
      runScript(redis, readScript, [key, tombstone], args.map(String), 'bytes'),
    );
    return reply as Promise<[Buffer, number, number?] | null>;
  }

  /** Nobody gets to read it, whether or not Redis can be told to drop it. */
  async #end(sid: string): Promise<null> {
    await this.destroy(sid).catch(() => {});
    return null;
  }

  #isUndated({ createdMs }: Entry): boolean {
    return createdMs === undefined && this.lifetimes.absoluteTtlMs !== undefined;
  }

  /** Writes down that the session begins now. Where that fails, or others save it meanwhile, the next read does. */
  async #date(
    name: SessionName,
    stored: Buffer,
    { data }: Entry,
  ): Promise<{ stored: Buffer; createdMs: number }> {
    const createdMs = Date.now();
    try {
      const text = await this.codec.encode(data, { createdMs });
      const draft = { text, endsInMs: this.#saving.endsInMs(data, createdMs) };
      const [outcome] = await setIf(this.#guard, name, draft, sha1(stored));
      return { stored: outcome === 1 ? Buffer.from(text) : stored, createdMs };
    } catch {
      return { stored, createdMs };
    }
  }

  #beginningOf(session: object): number | undefined {
    if (this.lifetimes.absoluteTtlMs === undefined) return undefined;
    const begunMs = this.#begun.get(session) ?? Date.now();
    this.#begun.set(session, begunMs);
    return begunMs;
  }
}

const NOTHING = Buffer.alloc(0);
const FRESHLY_SAVED = {
  json: undefined,
  isSlid: true,
  renewAtMs: Number.POSITIVE_INFINITY,
  isSaved: true,
  isGone: false,
  idleMs: 0,
} as const;
const NEVER_STORED: Known = {
  ...FRESHLY_SAVED,
  stored: NOTHING,
  view: NOTHING,
  contents: '',
  lifetimeMs: undefined,
  createdMs: undefined,
  user: undefined,
  isSaved: false,
};

function isOfRequest(session: SessionData): session is Session & SessionData {
  return typeof (session as Partial<Session>).save === 'function';
}

/** After a merge the browser shall get the lifetime that is stored, unless the handler has set another by now. */
function takeOverLifetime(
  { cookie }: SessionData,
  savedMs: CookieLifetimeMs,
  storedMs: CookieLifetimeMs,
): void {
  if (!isLifetimeChanged(savedMs, storedMs) || isLifetimeChanged(savedMs, cookie?.originalMaxAge)) return;
  cookie.maxAge = storedMs as number;
  cookie.originalMaxAge = storedMs ?? null;
}
