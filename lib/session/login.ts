/** Logging in and out, in the one order that is safe. */
import type { IncomingMessage } from 'node:http';
import type { Session, SessionData } from 'express-session';
import { promised } from './answer.js';
import type { SessionRequest } from './request.js';
import type { RedisSessionStore } from './store.js';

/** What a session holds of the user; declare it on `SessionData` of express-session. */
export type SessionFields = Omit<Partial<SessionData>, 'cookie'>;

/**
 * Begins a new session under a new id, sets `fields` and saves it; the old session and its id are gone.
 *
 * A new id, because whoever planted the old one in the browser would else be logged in too (session fixation, OWASP
 * Session Management, "Renew the Session ID After Any Privilege Level Change").
 *
 * Rejects, with nothing logged in, when Redis is in trouble (ERS_REDIS_UNAVAILABLE, ERS_REDIS_REFUSED), and when the
 * user's sessions were revoked while this was under way (ERS_SESSION_REVOKED; with the store's option `userId`).
 */
export async function login(req: IncomingMessage, fields: SessionFields): Promise<void> {
  const old = sessionOf(req);
  const admission = redisStoreOf(req)?.admit(fields);
  // It is awaited once there is a new session: a request must not go on while its session is being exchanged.
  admission?.catch(() => {});
  await promised((done) => old.regenerate(done));
  const admit = await admission;
  const session = sessionOf(req);
  Object.assign(session, fields);
  admit?.(session);
  try {
    await promised((done) => session.save(done));
  } catch (error) {
    // The error page that follows must not save, late, what was just reported as failed.
    for (const name of Object.keys(fields)) delete (session as unknown as Record<string, unknown>)[name];
    throw error;
  }
}

/** Destroys the session. Rejects when Redis is in trouble: then nobody is logged out. */
export async function logout(req: IncomingMessage): Promise<void> {
  const request = req as SessionRequest;
  const { session } = request;
  if (!session) return;
  const store = redisStoreOf(req);
  if (store === undefined || store.knownOf(session) !== undefined)
    return promised((done) => session.destroy(done));
  // A visitor's, of which Redis knows nothing and need not be asked.
  request.session = null;
}

/** By what it can do: an app may load this package twice, as ESM and as CommonJS, and then its class is two classes. */
function redisStoreOf(req: IncomingMessage): RedisSessionStore | undefined {
  const store = (req as SessionRequest).sessionStore as RedisSessionStore | undefined;
  return typeof store?.admit === 'function' ? store : undefined;
}

function sessionOf(req: IncomingMessage): Session {
  const { session } = req as SessionRequest;
  if (!session)
    throw new TypeError('login: this request has no session. Put sessions() before this handler.');
  return session;
}
