/** What one response owes its session before it may leave. */
import type { ServerResponse } from 'node:http';
import type { Session, SessionData } from 'express-session';
import { isTemporary } from '../core/errors.js';
import { type GivenHeaders, setGivenHeaders } from '../core/given-headers.js';
import { keepPrivate } from '../core/private-response.js';
import { promised } from './answer.js';
import { insecureCookie, isSecure, mayBeSecure } from './cookie.js';
import type { Generated } from './generated.js';
import type { Gate } from './hold.js';
import { contentsOf, stateOf } from './known.js';
import { type CookieLifetimeMs, cookieLifetimeMs, isLifetimeChanged } from './lifetime.js';
import type { SessionRequest } from './request.js';
import type { SessionsSettings } from './settings.js';
import { RedisSessionStore } from './store.js';

interface Exchange {
  readonly req: SessionRequest;
  readonly res: ServerResponse;
}

/** A class, not closures: it is made for every request. */
export class SessionGate implements Gate {
  readonly giveUp: Gate['giveUp'];
  readonly #resolved: SessionsSettings;
  readonly #req: SessionRequest;
  readonly #res: ServerResponse;
  readonly #generated: Generated;
  readonly #first: SessionRequest['session'];
  /** The id of the browser's cookie, where there was a session for it. */
  readonly #cookieId: string | undefined;
  /** Undefined without Redis: in this process a save cannot fail and is done when it returns. */
  readonly #redisStore: RedisSessionStore | undefined;
  readonly #loadedLifetimeMs: CookieLifetimeMs;
  #mustResave: boolean;
  #withheldId: string | undefined;
  #isHeadOut = false;
  #isFirstThere: boolean | undefined;
  #renewal: 'none' | 'done' | 'failed' = 'none';

  constructor(
    resolved: SessionsSettings,
    generated: Generated,
    { req, res }: Exchange,
    giveUp: Gate['giveUp'],
  ) {
    const { store, settings } = resolved;
    this.#resolved = resolved;
    this.#req = req;
    this.#res = res;
    this.giveUp = giveUp;
    this.#first = req.session;
    this.#generated = generated;
    this.#cookieId = req.session && !generated.has(req.session) ? req.sessionID : undefined;
    this.#redisStore = store instanceof RedisSessionStore ? store : undefined;
    this.#loadedLifetimeMs = req.session ? cookieLifetimeMs(req.session) : undefined;
    this.#mustResave = settings.resave === true;
    this.#slide();
  }

  mustWait(): boolean {
    const { session, sessionID } = this.#req;
    // Most requests end here: the browser's own session, still in its place.
    const isFirst = session != null && session === this.#first && sessionID === this.#cookieId;
    if (isFirst) return this.#mustSave(session) || this.#mustConfirm();
    return this.#wantsInsecureCookie() || this.#isBeingDestroyed() || this.#isUnset() || this.#isUnsaved();
  }

  async settle(): Promise<void> {
    const req = this.#req;
    if (this.#wantsInsecureCookie()) throw insecureCookie();
    if (this.#isBeingDestroyed()) await this.#redisStore?.pending(req.sessionID as string);
    if (this.#isUnset()) {
      await this.#redisStore?.destroy(req.sessionID as string);
      // Done: express-session need not do it again.
      req.sessionID = undefined;
    }
    if (this.#isUnsaved()) await this.#save(req.session as Session);
    else if (this.#mustConfirm()) await this.#confirm();
    this.#mustResave = false;
  }

  beforeHead(args: unknown[]): void {
    this.#isHeadOut = true;
    if (this.#mustWithholdCookie()) {
      // express-session sets no cookie for a request that has no id.
      this.#withheldId = this.#req.sessionID;
      this.#req.sessionID = undefined;
    } else if (this.#renewal === 'done') {
      if (typeof args.at(-1) === 'object') setGivenHeaders(this.#res, args.pop() as GivenHeaders);
      keepPrivate(this.#res);
    }
  }

  afterHead(): void {
    if (this.#withheldId === undefined) return;
    this.#req.sessionID = this.#withheldId;
    this.#withheldId = undefined;
  }

  /** Done by the read already, where the script could tell the lifetime. If this fails, nothing is lost of what was loaded. */
  #slide(): void {
    const [store, id, session] = [this.#redisStore, this.#cookieId, this.#first];
    if (!store || !session || id === undefined || store.knownOf(session)?.isSlid) return;
    store.touch(id, session as SessionData);
  }

  /** Express-session would send the cookie with every response whose session the browser knows. */
  #mustWithholdCookie(): boolean {
    const { session, sessionID } = this.#req;
    const known = session == null ? undefined : this.#redisStore?.knownOf(session);
    if (session == null || this.#redisStore === undefined) return false;
    // A new id with nothing behind it: its cookie might replace the one of a login that ran beside.
    if (known === undefined) return !this.#isNewborn();
    // Somebody destroyed this session meanwhile: the browser may have a newer cookie, which ours must not replace.
    if (known.isGone || this.#isFirstThere === false) return true;
    if (sessionID !== this.#cookieId || this.#resolved.isRolling) return false;
    const isOtherLifetime = isLifetimeChanged(this.#loadedLifetimeMs, cookieLifetimeMs(session));
    return !known.isSaved || (session.cookie?.expires == null && !isOtherLifetime);
  }

  async #save(session: Session): Promise<void> {
    const isRenewal = this.#isOnlyRenewal(session);
    try {
      await promised((done) => session.touch().save(done));
      if (isRenewal) this.#renewal = 'done';
    } catch (error) {
      // The session is as it was and stays readable; the next response may try again.
      if (!isRenewal || !isTemporary(error)) throw error;
      this.#renewal = 'failed';
    }
  }

  #isOnlyRenewal(session: Session): boolean {
    return !this.#mustResave && stateOf(session, this.#redisStore?.knownOf(session)) === 'saved';
  }

  /** The browser would forget an active user whose session is only read. */
  #mustRenew(session: object): boolean {
    if (this.#isHeadOut || this.#resolved.isRolling || this.#renewal !== 'none') return false;
    return (this.#redisStore?.knownOf(session)?.renewAtMs ?? Number.POSITIVE_INFINITY) <= Date.now();
  }

  /** Rolling: what was only read may have ended meanwhile, and its cookie must not replace that of a login. */
  #mustConfirm(): boolean {
    if (!this.#resolved.isRolling || this.#isHeadOut || this.#isFirstThere !== undefined) return false;
    const { session } = this.#req;
    return (
      session != null && session === this.#first && this.#redisStore?.knownOf(session)?.isSaved === false
    );
  }

  async #confirm(): Promise<void> {
    const confirming = this.#redisStore?.confirm(this.#cookieId as string, this.#first as SessionData);
    // When in doubt the browser keeps the cookie that it has.
    this.#isFirstThere = (await confirming?.catch(() => false)) ?? false;
  }

  /** A session that the browser does not know yet, and that has something in it, or is wanted empty. */
  #isNewborn(): boolean {
    const { session, sessionID } = this.#req;
    if (session == null || sessionID === this.#cookieId) return false;
    if (this.#resolved.settings.saveUninitialized || contentsOf(session) !== '{}') return true;
    // Without Redis express-session decides, and sends a new id in any case.
    return this.#redisStore === undefined && session !== this.#first;
  }

  #isUnsaved(): boolean {
    const { session } = this.#req;
    return session != null && this.#mustSave(session);
  }

  #mustSave(session: NonNullable<SessionRequest['session']>): boolean {
    if (this.#redisStore === undefined) return false;
    const state = stateOf(session, this.#redisStore.knownOf(session));
    // Something that is no session was put in its place: saving it fails, which is better than losing it silently.
    if (state === 'new') return this.#isNewborn() || !this.#generated.has(session);
    return state === 'changed' || (state === 'saved' && (this.#mustResave || this.#mustRenew(session)));
  }

  /** `req.session.destroy()` without waiting for it: the response must not say more than Redis did. */
  #isBeingDestroyed(): boolean {
    const { session, sessionID } = this.#req;
    return !session && sessionID !== undefined && this.#redisStore?.pending(sessionID) !== undefined;
  }

  /** `req.session = null` under `unset: 'destroy'`, for a session that was stored. */
  #isUnset(): boolean {
    const { session, sessionID } = this.#req;
    if (this.#resolved.settings.unset !== 'destroy' || session || sessionID === undefined) return false;
    return this.#redisStore !== undefined && (sessionID === this.#cookieId || this.#isStored(this.#first));
  }

  #isStored(session: SessionRequest['session']): boolean {
    return session != null && this.#redisStore?.knownOf(session) !== undefined;
  }

  #wantsInsecureCookie(): boolean {
    const { isProduction, settings, cookieOption } = this.#resolved;
    if (!isProduction || !this.#isNewborn() || isSecure(this.#req, settings.proxy)) return false;
    return mayBeSecure(cookieOption, this.#req);
  }
}
