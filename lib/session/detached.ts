/** A session that no store backs: empty, for one request, never saved, without a cookie. */
import { randomBytes } from 'node:crypto';
import session, { type CookieOptions, type SessionData } from 'express-session';
import type { SessionRequest } from './request.js';

/**
 * Gives the request an empty session of its own.
 *
 * @param trouble why it cannot be written: what its methods answer that would. Undefined: they do nothing and say so.
 */
export function giveEmptySession(req: SessionRequest, cookie: CookieOptions, trouble?: unknown): void {
  new DetachedStore(cookie, trouble).generate(req);
}

type Done = (error?: unknown) => void;

class DetachedStore extends session.Store {
  readonly #cookie: CookieOptions;
  readonly #trouble: unknown;

  constructor(cookie: CookieOptions, trouble: unknown) {
    super();
    this.#cookie = cookie;
    this.#trouble = trouble;
  }

  /** What express-session puts on a store, and `regenerate` of its sessions calls. */
  generate(req: SessionRequest): void {
    req.sessionID = randomBytes(24).toString('base64url');
    req.sessionStore = this;
    const cookie = new (session.Cookie as unknown as new (options: CookieOptions) => session.Cookie)(
      this.#cookie,
    );
    this.createSession(req as never, { cookie } as SessionData);
  }

  override get(_sid: string, done: (error: unknown, session?: SessionData | null) => void): void {
    done(this.#trouble, null);
  }

  override set(_sid: string, _session: SessionData, done?: Done): void {
    done?.(this.#trouble);
  }

  override touch(_sid: string, _session: SessionData, done?: Done): void {
    done?.();
  }

  override destroy(_sid: string, done?: Done): void {
    done?.(this.#trouble);
  }
}
