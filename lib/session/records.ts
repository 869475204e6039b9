/** The sessions in Redis: read, saved, kept alive and destroyed, each in one command where nobody interferes. */
import type { SessionData } from 'express-session';
import { type Guard, guardRedis } from '../core/guard.js';
import type { ReplyType } from '../core/redis.js';
import { runScript, type Script } from '../core/script.js';
import type { Codec } from './codec.js';
import { moveEnd, withSentEnd } from './cookie-end.js';
import { contentsOf, FRESHLY_SAVED, isOfRequest, Knowledge, NEVER_STORED } from './known.js';
import {
  absoluteLeftMs,
  cookieLifetimeMs,
  endsInMs,
  fallbackMs,
  type Lifetimes,
  renewAtMsOf,
  takeOverLifetime,
} from './lifetime.js';
import { conflictRule } from './merge.js';
import { Migration } from './migration.js';
import { nameSessions, type SessionName, type SessionNames, secretsIn } from './names.js';
import { Notice, REFUSED, UNREADABLE } from './notice.js';
import { type Source, sourceOf } from './old-store.js';
import { codecFor, DEFAULT_DEADLINE_MS, lifetimesOf, type RedisSessionStoreOptions } from './options.js';
import { readScript } from './read.lua.js';
import { dateSession, destroySession, type Saving, saveSession } from './save.js';
import { NO_SESSION, touchScript } from './touch.lua.js';
import { Turns } from './turns.js';
import { type Users, usersOf } from './users.js';

/** The bytes, whether the script slid them, and for how long nobody had. */
type Reply = [stored: Buffer, isSlid: number, idleMs?: number];

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
  /** Of the script that reads, all but the time. */
  readonly #readArgs: readonly string[];
  readonly #migration: Migration | undefined;
  readonly #unreadable = new Notice(UNREADABLE);
  readonly #refused = new Notice(REFUSED);
  /** When sessions that are not stored yet began, in milliseconds since 1970. */
  readonly #begun = new WeakMap<object, number>();

  constructor(options: RedisSessionStoreOptions) {
    const { client, deadlineMs = DEFAULT_DEADLINE_MS } = options;
    this.#guard = guardRedis(client, { feature: 'session', deadlineMs });
    this.#names = nameSessions(options, this.#guard.redis.keyPrefix);
    this.codec = codecFor(options);
    this.lifetimes = lifetimesOf(options);
    const { slides, ttl, touchAfterMs, absoluteTtlMs = 0 } = this.lifetimes;
    this.#readArgs = [slides ? fallbackMs(ttl) : 0, touchAfterMs, absoluteTtlMs].map(String);
    this.#saving = {
      guard: this.#guard,
      codec: this.codec,
      endsInMs: (session, createdMs) => endsInMs(session, createdMs, this.lifetimes, Date.now()),
      patienceMs: deadlineMs,
      decideConflict: conflictRule(options.onConflict),
    };
    this.users = usersOf(options, this.#guard, this.#names, this.lifetimes);
    this.#migration = this.#migrationFor(options);
  }

  async read(sid: string): Promise<SessionData | null> {
    const name = this.#names.of(sid);
    const migration = this.#migration;
    const found = await this.#fetch(name);
    const reply = found === null && migration ? await this.#adopt(migration, sid, name) : found;
    if (reply === null) return null;
    const [stored, isSlid, idleMs = 0] = reply;
    const decoded = this.codec.decode(stored.toString(), name.id);
    // JSON answers at once; only a promise is worth a turn of the event loop.
    const entry = decoded instanceof Promise ? await decoded : decoded;
    if (entry === undefined) {
      this.#unreadable.say();
      return null;
    }
    if (this.isOver(entry.createdMs)) return this.#end(sid);
    const { data, json } = entry;
    const createdMs = entry.createdMs ?? this.#beginningOf(data);
    const isDated = createdMs === entry.createdMs;
    const bytes = isDated ? stored : await dateSession(this.#saving, name, { stored, data, createdMs });
    this.known.note(data, {
      stored: bytes,
      view: bytes,
      contents: undefined,
      json,
      lifetimeMs: cookieLifetimeMs(data),
      createdMs,
      user: this.users?.userAtLoad(data),
      idleMs,
      isSlid: isSlid === 1,
      renewAtMs: this.lifetimes.slides ? renewAtMsOf(data, found === null) : Number.POSITIVE_INFINITY,
      end: isSlid === 1 ? moveEnd(data, Date.now()) : undefined,
      isSaved: false,
      isGone: false,
    });
    return data;
  }

  /** The session as it is at this moment goes into the queue; what changes later needs another save. */
  async save(sid: string, session: SessionData): Promise<void> {
    const name = this.#names.of(sid);
    const isLive = isOfRequest(session);
    const contents = isLive ? contentsOf(session) : '';
    const lifetimeMs = cookieLifetimeMs(session);
    const user = this.users?.userOf(session);
    const { createdMs = this.#beginningOf(session), end } = this.known.of(session) ?? NEVER_STORED;
    const remainingMs = this.#saving.endsInMs(session, createdMs);
    const text = this.codec.encode(withSentEnd(session, end), { createdMs, id: name.id });
    const encoded = Promise.resolve(text);
    // It may fail while this waits for its turn; it is awaited then.
    encoded.catch(() => {});
    await this.#turns.take(sid, async () => {
      const known = this.known.of(session);
      if (known?.isGone) return;
      const draft = { text: await encoded, createdMs, endsInMs: remainingMs, lifetimeMs };
      const save = () => saveSession(this.#saving, name, draft, known);
      const users = remainingMs > 0 ? this.users : undefined;
      const saved = await (users?.saveWith(sid, session, user, known, save) ?? save());
      // Of plain data nobody can say later whether it is the same session still, so nothing is remembered of it.
      if (saved === undefined && known === undefined) this.#refused.say();
      if (known === undefined && !isLive) return;
      if (saved === undefined) return this.known.note(session, { ...(known ?? NEVER_STORED), isGone: true });
      if (isLive) takeOverLifetime(session, lifetimeMs, saved.lifetimeMs);
      const storedMs = isLive ? saved.lifetimeMs : lifetimeMs;
      this.known.note(session, { ...FRESHLY_SAVED, ...saved, lifetimeMs: storedMs, contents, user });
    });
  }

  async slide(sid: string, session: SessionData): Promise<void> {
    const known = this.known.of(session);
    const remainingMs = endsInMs(session, known?.createdMs, this.lifetimes, Date.now());
    // An ended lifetime is a matter for `save`: this destroys nothing.
    if (remainingMs <= 0) return;
    // Without sliding it still says whether the session is there.
    const slidMs = this.lifetimes.slides ? Math.ceil(remainingMs) : 0;
    const args = [slidMs, this.lifetimes.touchAfterMs].map(String);
    const leftMs = await this.#run(touchScript, this.#names.of(sid), args);
    const idleMs = remainingMs - Number(leftMs);
    const hasSlid = slidMs > 0 && idleMs >= this.lifetimes.touchAfterMs;
    if (known && hasSlid) this.users?.noteRead(sid, session, { user: known.user, idleMs });
    if (known && leftMs === NO_SESSION) this.known.note(session, { ...known, isGone: true });
  }

  /** Returns whether there was one. */
  destroy(sid: string): Promise<boolean> {
    return this.#turns.take(sid, async () => {
      const isDestroyed = await destroySession(this.#guard, this.#names.of(sid));
      return (await this.#migration?.destroy(sid)) || isDestroyed;
    });
  }

  /** The save or destroy of this id that is under way, undefined when none is. */
  pending(sid: string): Promise<unknown> | undefined {
    return this.#turns.pending(sid);
  }

  /** Whether the absolute timeout of a session with that beginning is over. */
  isOver(createdMs: number | undefined): boolean {
    return absoluteLeftMs(createdMs, this.lifetimes.absoluteTtlMs, Date.now()) <= 0;
  }

  #fetch(name: SessionName): Promise<Reply | null> {
    const nowMs = this.lifetimes.absoluteTtlMs === undefined ? '0' : String(Date.now());
    return this.#run(readScript, name, [...this.#readArgs, nowMs], 'bytes') as Promise<Reply | null>;
  }

  #run(script: Script, { key, tombstone }: SessionName, args: readonly string[], reply?: ReplyType) {
    return this.#guard.run((redis) => runScript(redis, script, [key, tombstone], args, reply), key);
  }

  #migrationFor(options: RedisSessionStoreOptions): Migration | undefined {
    const { migrateFrom, hashIds } = options;
    const older = secretsIn(hashIds).slice(1);
    if (migrateFrom == null && older.length === 0) return undefined;
    const ofOlder = older.map((secret) =>
      new Records({ ...options, hashIds: secret, migrateFrom: undefined, userId: undefined }).#asSource(),
    );
    const sources = migrateFrom == null ? ofOlder : [...ofOlder, sourceOf(migrateFrom)];
    return new Migration(sources, this.#saving, async (sid, data) => this.users?.noteMoved(sid, data));
  }

  async #adopt(migration: Migration, sid: string, name: SessionName): Promise<Reply | null> {
    const stored = await migration.adopt(sid, name, (data) => this.#beginningOf(data));
    // In none of the places: another process may have moved it since.
    if (stored === undefined) return this.#fetch(name);
    return stored && [stored, 1];
  }

  #asSource(): Source {
    return {
      read: async (sid) => {
        const data = await this.read(sid);
        return data && { data, createdMs: this.known.of(data)?.createdMs };
      },
      destroy: (sid) => this.destroy(sid),
    };
  }

  /** Nobody gets to read it, whether or not Redis can be told to drop it. */
  async #end(sid: string): Promise<null> {
    await this.destroy(sid).catch(() => {});
    return null;
  }

  #beginningOf(session: object): number | undefined {
    if (this.lifetimes.absoluteTtlMs === undefined) return undefined;
    const begunMs = this.#begun.get(session) ?? Date.now();
    this.#begun.set(session, begunMs);
    return begunMs;
  }
}
