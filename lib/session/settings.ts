/** The options of `sessions()`, resolved once: express-session's with safe defaults, and the store made of the rest. */
import expressSession, { type SessionOptions, type Store } from 'express-session';
import { invalidOption, requireKnown } from '../core/errors.js';
import { type CookieOption, requireSoundName, withDefaults } from './cookie.js';
import type { RedisSessionStoreOptions } from './options.js';
import { RedisSessionStore } from './store.js';

/** The options of express-session but for `store`, and those of the store. */
export interface SessionsOptions
  extends Omit<SessionOptions, 'store'>,
    Omit<RedisSessionStoreOptions, 'client'> {
  /**
   * A client of `redis` or `ioredis`. Without one, sessions live in this process only (express-session's MemoryStore), and
   * the other options of the store have nothing to work on.
   */
  readonly client?: RedisSessionStoreOptions['client'] | undefined;
  /**
   * What happens to a request with a session cookie while Redis is down. `'error'`: 503 with Retry-After. `'anonymous'`:
   * it gets an empty session that cannot be written; its cookie stays. Default `'error'`.
   */
  readonly onRedisDown?: 'error' | 'anonymous' | undefined;
}

/** express-session's own options, with the ones decided that it would warn about. */
type ExpressSessionSettings = SessionOptions & { readonly cookie: NonNullable<CookieOption> };

const NAMES = `client onRedisDown secret name cookie genid proxy rolling unset resave saveUninitialized prefix scanCount
  serializer ttl disableTTL disableTouch absoluteTtlMs touchAfterMs onConflict userId maxSessionsPerUser hashIds
  encryption maxBytes migrateFrom deadlineMs`;

export interface SessionsSettings {
  readonly onRedisDown: 'error' | 'anonymous';
  readonly store: Store;
  readonly settings: ExpressSessionSettings;
  /** The app's own, without defaults. */
  readonly cookieOption: CookieOption;
  /** Whether the app asked for the cookie with every response. */
  readonly isRolling: boolean;
  readonly isProduction: boolean;
}

/** @throws SuiteError ERS_INVALID_OPTION, ERS_INVALID_CLIENT */
export function resolveSettings(options: SessionsOptions): SessionsSettings {
  // Without a word, sessions would live in this process instead.
  const misplaced = (options as SessionOptions | undefined)?.store;
  if (misplaced != null) {
    throw invalidOption('store', misplaced, 'Give client: sessions() makes its store of it.');
  }
  requireKnown(options, NAMES);
  const { client, onRedisDown = 'error', secret, genid, name, proxy, rolling, unset } = options;
  const { resave = false, saveUninitialized = false } = options;
  if (onRedisDown !== 'error' && onRedisDown !== 'anonymous') {
    throw invalidOption('onRedisDown', onRedisDown, "Write 'error' or 'anonymous'.");
  }
  if (!secret || (Array.isArray(secret) && !secret.every(Boolean)) || (secret as string).length === 0) {
    throw invalidOption(
      'secret',
      secret,
      'Give a random string of 32 or more characters, or several, the newest first.',
    );
  }
  if (client === undefined && options.userId !== undefined) {
    throw invalidOption(
      'userId',
      options.userId,
      "It needs a client: the index of a user's sessions is in Redis.",
    );
  }
  requireSoundName(name, options.cookie);
  // express-session itself says in production what a MemoryStore means.
  const store =
    client === undefined ? new expressSession.MemoryStore() : new TolerantStore({ ...options, client });
  const cookie = withDefaults(options.cookie, proxy);
  // Over Redis the gate says which responses carry the cookie, and withholds it from the others.
  const willSend = store instanceof RedisSessionStore || rolling;
  const settings = {
    secret,
    name,
    proxy,
    rolling: willSend,
    resave,
    saveUninitialized,
    unset,
    cookie,
    store,
  };
  return {
    onRedisDown,
    store,
    settings: genid === undefined ? settings : { ...settings, genid },
    cookieOption: options.cookie,
    isRolling: rolling === true,
    isProduction: process.env.NODE_ENV === 'production',
  };
}

/** Data that was stored without a cookie gets an ordinary one, where express-session by itself answers 500. */
class TolerantStore extends RedisSessionStore {
  override createSession(
    ...[req, data]: Parameters<Store['createSession']>
  ): ReturnType<Store['createSession']> {
    data.cookie ??= new expressSession.Cookie();
    return super.createSession(req, data);
  }
}
