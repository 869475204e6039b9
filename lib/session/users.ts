/** Whose session it is, and what follows: it is entered in its user's index, listed, limited in number, revoked. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { SessionData } from 'express-session';
import { invalidOption, SuiteError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import { deviceOf } from './devices.js';
import type { Known } from './known.js';
import { cookieLifetimeMs, isLifetimeChanged, type Lifetimes, lifetimeMsOf } from './lifetime.js';
import { guardListing } from './listing.js';
import type { SessionNames } from './names.js';
import type { RedisSessionStoreOptions } from './options.js';
import { destroySession, type Saved } from './save.js';
import { handleOf, lastSeenAt, type UserId, type UserSession, userName } from './user-entry.js';
import { UserIndex } from './user-index.js';
import { ANY_TIME } from './user-index.lua.js';

/** An index has to outlive its sessions, which slide without it; they enter again as `isDueAgain` says. */
const LIFETIMES = 3;
const ENTRANCES_PER_LIFETIME = 8;

/**
 * Whether a session that was idle for `idleMs` shall enter again.
 *
 * By chance, in proportion to that time: over many requests that comes to some `ENTRANCES_PER_LIFETIME`, however many
 * requests there are and whichever process they reach, and nobody has to remember anything. That none of them happens
 * in `LIFETIMES` has a probability of e^-24.
 */
function isDueAgain(idleMs: number, livesForMs: number, random: number): boolean {
  return idleMs * ENTRANCES_PER_LIFETIME > random * livesForMs;
}

type UserOptions = Pick<RedisSessionStoreOptions, 'client' | 'userId' | 'maxSessionsPerUser'>;

/** Undefined without the option `userId`. */
export function usersOf(
  options: UserOptions,
  guard: Guard,
  names: SessionNames,
  lifetimes: Lifetimes,
): Users | undefined {
  return options.userId == null ? undefined : new Users(options, guard, names, lifetimes);
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function requireUsers(users: Users | undefined): Users {
  if (users) return users;
  throw invalidOption('userId', undefined, 'Without it nobody knows whose a session is: give the store one.');
}

export class Users {
  readonly #userId: NonNullable<UserOptions['userId']>;
  readonly #maxSessions: number;
  readonly #guard: Guard;
  readonly #names: SessionNames;
  readonly #lifetimes: Lifetimes;
  readonly #index: UserIndex;
  /** For what no request waits for, and what looks at many sessions. */
  readonly #backgroundIndex: UserIndex;
  /** By a session that logs in: its user, and the last revocation before. */
  readonly #admissions = new WeakMap<object, { readonly user: string; readonly revocation: string }>();

  constructor(options: UserOptions, guard: Guard, names: SessionNames, lifetimes: Lifetimes) {
    this.#userId = options.userId as NonNullable<UserOptions['userId']>;
    this.#maxSessions = options.maxSessionsPerUser ?? Number.POSITIVE_INFINITY;
    this.#guard = guard;
    this.#names = names;
    this.#lifetimes = lifetimes;
    this.#index = new UserIndex(guard, names);
    this.#backgroundIndex = new UserIndex(guardListing(options.client), names);
  }

  /** @throws SuiteError ERS_INVALID_OPTION when `userId` returns what is no user */
  userOf(session: SessionData): string | undefined {
    const user = this.#userId(session);
    return user == null ? undefined : userName(user);
  }

  /** A callback that fails must not make a session unreadable: the next save will say so. */
  userAtLoad(session: SessionData): string | undefined {
    try {
      return this.userOf(session);
    } catch {
      return undefined;
    }
  }

  /** Returns what ties a session to this moment: once anything is revoked after it, that session cannot enter. */
  async admit(fields: object): Promise<((session: object) => void) | undefined> {
    const user = this.userAtLoad(fields as SessionData);
    if (user === undefined) return undefined;
    const revocation = await this.#index.revocation(user);
    return (session) => void this.#admissions.set(session, { user, revocation });
  }

  /**
   * Saves a session and enters it, where the index does not know it as this user's.
   *
   * A new id enters with its save: nobody has its cookie before both are done. On one connection both leave at once and
   * arrive in that order; over several the save has to be over first, so that a revocation either refuses the entrance
   * or finds a session to end.
   */
  async saveWith(
    sid: string,
    session: SessionData,
    user: string | undefined,
    known: Known | undefined,
    save: () => Promise<Saved>,
  ): Promise<Saved> {
    if (!this.#mustEnter(session, user, known)) return save();
    const isNew = known === undefined;
    const enter = async () => user !== undefined && this.#enter(sid, session, user);
    const saving = save();
    const entering = isNew && this.#guard.redis.hasOneConnection ? enter() : undefined;
    entering?.catch(() => {});
    const saved = await saving;
    if (saved === undefined) return undefined;
    try {
      await (entering ?? enter());
      if (known?.user !== undefined && known.user !== user)
        await this.#index.leave(known.user, [handleOf(sid)]);
    } catch (error) {
      // A new session that its user cannot find must not be there at all.
      if (isNew) await destroySession(this.#guard, this.#names.of(sid)).catch(() => {});
      throw error;
    }
    return saved;
  }

  /** A request has read a session: now and then it enters again, so that the index lives as long as it. Nobody waits. */
  noteRead(sid: string, session: SessionData, { user, idleMs }: Pick<Known, 'user' | 'idleMs'>): void {
    if (user !== undefined && idleMs > 0) this.#enterAgain(sid, session, user, idleMs).catch(() => {});
  }

  /** It has come from another store, or by another name. */
  async noteMoved(sid: string, session: SessionData): Promise<void> {
    const user = this.userAtLoad(session);
    if (user !== undefined) await this.#write(this.#index, sid, session, user);
  }

  async list(id: UserId, currentSid: string | undefined): Promise<UserSession[]> {
    const user = userName(id);
    const current = currentSid === undefined ? undefined : handleOf(currentSid);
    const alive = await this.#backgroundIndex.prune(user, await this.#index.entries(user));
    const nowMs = Date.now();
    return alive
      .map(({ entry, leftMs }) => ({
        handle: entry.handle,
        isCurrent: entry.handle === current,
        createdAt: new Date(entry.createdAtMs),
        lastSeenAt: lastSeenAt(entry, leftMs, nowMs),
        device: entry.device,
      }))
      .sort((a, b) => b.lastSeenAt.getTime() - a.lastSeenAt.getTime());
  }

  /** @param which a handle, or all but a handle or session id; `{}`: all */
  async revoke(id: UserId, which: string | { readonly except?: string }): Promise<number> {
    const user = userName(id);
    if (typeof which === 'string') return this.#index.end(user, await this.#index.entries(user, which));
    const { except = '' } = which;
    const entries = await this.#index.revoke(user, randomBytes(12).toString('base64url'));
    const others = entries.filter(({ handle }) => handle !== except && handle !== handleOf(except));
    return this.#index.end(user, others);
  }

  #mustEnter(session: SessionData, user: string | undefined, known: Known | undefined): boolean {
    if (user === undefined || known === undefined || user !== known.user) return user !== known?.user;
    // The index says how long a session lives, and has to outlive it.
    const isOtherLifetime = isLifetimeChanged(known.lifetimeMs, cookieLifetimeMs(session));
    return isOtherLifetime || known.renewAtMs <= Date.now() || !this.#lifetimes.slides;
  }

  /** @throws SuiteError ERS_SESSION_REVOKED */
  async #enter(sid: string, session: SessionData, user: string): Promise<void> {
    const admission = this.#admissions.get(session);
    const since = admission?.user === user ? admission.revocation : ANY_TIME;
    const entered = await this.#write(this.#index, sid, session, user, since);
    if (entered === undefined) throw revoked();
    const { count, others } = entered;
    if (count > this.#maxSessions) return this.#index.limit(user, others, this.#maxSessions);
    // Nobody waits for it: what is not done now is done next time.
    this.#backgroundIndex.prune(user, others).catch(() => {});
  }

  async #enterAgain(sid: string, session: SessionData, user: string, idleMs: number): Promise<void> {
    const isDue = isDueAgain(idleMs, this.#livesForMs(session), Math.random());
    if (isDue) await this.#write(this.#backgroundIndex, sid, session, user);
  }

  #write(index: UserIndex, sid: string, session: SessionData, user: string, since = ANY_TIME) {
    const { req } = session as { req?: IncomingMessage };
    const device = req?.headers === undefined ? {} : deviceOf(req);
    const livesForMs = this.#livesForMs(session);
    const entry = JSON.stringify({ id: this.#names.of(sid).id, livesForMs, ...device });
    const most = Number.isFinite(this.#maxSessions) ? this.#maxSessions : 0;
    return index.enter(user, handleOf(sid), entry, livesForMs * LIFETIMES, since, most);
  }

  /** 0: it has no end. */
  #livesForMs(session: SessionData): number {
    const { ttl, hasTtl } = this.#lifetimes;
    return hasTtl ? Math.max(1, lifetimeMsOf(session, ttl, Date.now())) : 0;
  }
}

function revoked(): SuiteError {
  return new SuiteError(
    'ERS_SESSION_REVOKED',
    'session: the sessions of this user were revoked while this login was under way. Log in again.',
  );
}
