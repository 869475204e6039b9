/** `sessions()`: express-session on a Redis store, and what a store alone cannot do. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import expressSession, { type CookieOptions, type Store } from 'express-session';
import { failureOf, isTemporary } from '../core/errors.js';
import { shareShape } from '../core/one-shape.js';
import { isRevalidation } from '../core/revalidation.js';
import { giveEmptySession } from './detached.js';
import { watchGenerated } from './generated.js';
import { type Exits, exitOf, exitsOf, type Gate, holdResponse } from './hold.js';
import { contentsOf } from './known.js';
import type { RedisSessionStoreOptions } from './options.js';
import type { SessionRequest } from './request.js';
import { SessionGate } from './session-gate.js';
import { resolveSettings, type SessionsOptions } from './settings.js';
import { StandIn } from './stand-in.js';
import { RedisSessionStore } from './store.js';
import { answerUnavailable, restoreHeaders } from './unavailable.js';

export interface SessionsMiddleware<SessionStore extends Store = Store> {
  // Wide enough for Express and for any connect-style server.
  (req: IncomingMessage, res: ServerResponse, next: Next): void;
  /** Where the sessions are. */
  readonly store: SessionStore;
}

type Next = (error?: unknown) => void;

/** One request, and its response as it was before anything of ours touched it. */
interface Visit {
  readonly req: SessionRequest;
  readonly res: ServerResponse;
  readonly next: Next;
  readonly bare: Exits;
  readonly headers: OutgoingHttpHeaders;
}

/**
 * Sessions with safe defaults: `resave: false`, `saveUninitialized: false`, and a cookie that is HttpOnly, SameSite=Lax
 * and, over TLS, Secure.
 *
 * A response waits until what its handler changed is saved. When that fails it becomes a 503, and the cookie stays as it
 * was. What changes after the first byte is saved at the end; failure then ends the connection.
 *
 * @throws SuiteError ERS_INVALID_OPTION, ERS_INVALID_CLIENT
 */
export function sessions(
  options: SessionsOptions & Pick<RedisSessionStoreOptions, 'client'>,
): SessionsMiddleware<RedisSessionStore>;
export function sessions(options: SessionsOptions): SessionsMiddleware;
export function sessions(options: SessionsOptions): SessionsMiddleware {
  const resolved = resolveSettings(options);
  const { onRedisDown, store, settings } = resolved;
  const runExpressSession = expressSession(settings);
  const generated = watchGenerated(store);
  const isOnRedis = store instanceof RedisSessionStore;

  function sessionMiddleware(req: SessionRequest, res: ServerResponse, next: Next) {
    if (req.session) return next();
    if (isRevalidation(req)) {
      giveEmptySession(req, cookieFor(req));
      return next();
    }
    // The recipes of ws and Socket.IO for an upgrade give something that is no response: there is nothing to hold back.
    if (typeof res.getHeaders !== 'function') return runExpressSession(req as never, res as never, next);
    shareShape(req, res);
    const bare = exitsOf(res);
    const seen = isOnRedis ? new StandIn(res, bare) : res;
    const visit: Visit = { req, res, next, bare, headers: res.getHeaders() };
    let isLoaded = false;
    runExpressSession(req as never, seen as never, function loaded(error?: unknown) {
      // express-session reports what fails after the handler as well.
      if (isLoaded) return next(error);
      isLoaded = true;
      if (error) return failed(visit, error);
      hold(visit, seen);
      next();
    });
  }

  function hold(visit: Visit, seen: ServerResponse | StandIn) {
    const { res, bare } = visit;
    const gate = new SessionGate(resolved, generated, visit, (error, hasBegun) =>
      giveUp(visit, error, hasBegun),
    );
    const { write, flushHeaders } = bare;
    const writeHead = exitOf(seen, 'writeHead');
    // The gate saves what there is to save; express-session would look again, and save a new id twice.
    const end = isOnRedis ? bare.end : exitOf(res, 'end');
    holdResponse(res, bare, { writeHead, flushHeaders, write, end }, gate);
  }

  function failed(visit: Visit, error: unknown) {
    const { req, res, next, bare } = visit;
    // From here on without express-session, which would set a cookie for, or even destroy, what it could not load.
    Object.assign(res, bare);
    if (!isTemporary(error)) return next(error);
    if (onRedisDown === 'error') return answerUnavailable(res);
    giveEmptySession(req, cookieFor(req), error);
    holdResponse(
      res,
      bare,
      bare,
      readOnlyGate(req, error, (trouble, hasBegun) => giveUp(visit, trouble, hasBegun)),
    );
    next();
  }

  function cookieFor(req: SessionRequest): CookieOptions {
    const { cookie } = settings;
    return typeof cookie === 'function' ? cookie(req as never) : cookie;
  }

  return Object.assign(sessionMiddleware, { store });
}

function giveUp({ res, next, headers }: Visit, error: unknown, hasBegun: boolean): void {
  if (hasBegun) res.destroy();
  else restoreHeaders(res, headers);
  if (!isTemporary(error)) next(failureOf(error));
  else if (!hasBegun) answerUnavailable(res);
}

/** Nothing may be written, so nothing may look as if it had been. */
function readOnlyGate(req: SessionRequest, trouble: unknown, giveUp: Gate['giveUp']): Gate {
  return {
    mustWait: () => req.session != null && contentsOf(req.session) !== '{}',
    settle: () => Promise.reject(trouble),
    giveUp,
  };
}
