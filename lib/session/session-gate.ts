/** What one response owes its session before it may leave. */
import type { Session, SessionData, Store } from 'express-session';
import { insecureCookie, isSecure, mayBeSecure } from './cookie.js';
import type { Gate } from './hold.js';
import { contentsOf } from './known.js';
import type { SessionRequest } from './request.js';
import type { SessionsSettings } from './settings.js';
import { RedisSessionStore } from './store.js';

/** The sessions that express-session made because it found none. */
export type Generated = Pick<WeakSet<object>, 'has'>;

export interface SessionGate extends Gate {
  /** Somebody destroyed this session meanwhile: the browser may have a newer cookie, which ours must not replace. */
  isGone(): boolean;
}

interface Circumstances extends SessionsSettings, Pick<Gate, 'giveUp'> {
  readonly req: SessionRequest;
  readonly generated: Generated;
}

/** express-session makes new sessions by `store.generate`, which it puts there itself. */
export function watchGenerated(store: Store): Generated {
  const withGenerate = store as unknown as { generate(req: SessionRequest): void };
  const { generate } = withGenerate;
  const generated = new WeakSet<object>();
  withGenerate.generate = function generateSession(req) {
    generate(req);
    generated.add(req.session as object);
  };
  return generated;
}

export function sessionGate(circumstances: Circumstances): SessionGate {
  const { req, store, settings, cookieOption, isProduction, generated, giveUp } = circumstances;
  const first = req.session;
  const firstId = req.sessionID;
  const cookieId = first && !generated.has(first) ? firstId : undefined;
  // In this process a save cannot fail and is done when it returns.
  const redisStore = store instanceof RedisSessionStore ? store : undefined;
  let mustResave = settings.resave === true;
  // Done by the read already, where the script could tell the lifetime. If this fails, nothing is lost of what was loaded.
  if (first && cookieId !== undefined) redisStore?.touch(cookieId, first as SessionData);

  return { mustWait, settle, giveUp, isGone };

  function mustWait(): boolean {
    return wantsInsecureCookie() || isBeingDestroyed() || isUnset() || isUnsaved();
  }

  async function settle(): Promise<void> {
    if (wantsInsecureCookie()) throw insecureCookie();
    if (isBeingDestroyed()) await redisStore?.pending(req.sessionID as string);
    if (isUnset()) {
      await redisStore?.destroy(req.sessionID as string);
      // Done: express-session need not do it again.
      req.sessionID = undefined;
    }
    if (isUnsaved()) await save(req.session as Session);
    mustResave = false;
  }

  function isGone(): boolean {
    return req.session != null && redisStore?.isGone(req.session) === true;
  }

  /** A session that the browser does not know yet, and that has something in it, or is wanted empty. */
  function isNewborn(): boolean {
    if (req.session == null || req.sessionID === cookieId) return false;
    return settings.saveUninitialized || req.sessionID !== firstId || contentsOf(req.session) !== '{}';
  }

  function isUnsaved(): boolean {
    if (redisStore === undefined || req.session == null) return false;
    const state = redisStore.stateOf(req.session);
    // Something that is no session was put in its place: saving it fails, which is better than losing it silently.
    if (state === 'new') return isNewborn() || req.session !== first;
    return state === 'changed' || (state === 'saved' && mustResave);
  }

  /** `req.session.destroy()` without waiting for it: the response must not say more than Redis did. */
  function isBeingDestroyed(): boolean {
    return !req.session && req.sessionID !== undefined && redisStore?.pending(req.sessionID) !== undefined;
  }

  /** `req.session = null` under `unset: 'destroy'`, for a session that was stored. */
  function isUnset(): boolean {
    if (settings.unset !== 'destroy' || req.session || req.sessionID === undefined) return false;
    return redisStore !== undefined && (req.sessionID === cookieId || isStored(first));
  }

  function isStored(session: SessionRequest['session']): boolean {
    return session != null && redisStore?.stateOf(session) !== 'new';
  }

  function wantsInsecureCookie(): boolean {
    if (!isProduction || isSecure(req, settings.proxy)) return false;
    return isNewborn() && mayBeSecure(cookieOption, req);
  }
}

function save(session: Session): Promise<void> {
  return new Promise((resolve, reject) => {
    session.touch().save((error: unknown) => (error ? reject(error) : resolve()));
  });
}
