/** The store's options: connect-redis' own, with its names, units and defaults, and what is new. */
import type { SessionData } from 'express-session';
import type { RedisClient } from '../core/client.js';
import { invalidOption } from '../core/errors.js';
import { type Codec, codecOf, limitedCodec, type Serializer } from './codec.js';
import { type Lifetimes, requireTtl, type Ttl } from './lifetime.js';
import type { DecideConflict } from './merge.js';
import { type HashSecrets, secretsIn } from './names.js';
import type { OldStore } from './old-store.js';
import { type EncryptionOptions, isLongEnough, sealedCodec } from './seal.js';
import type { UserId } from './user-entry.js';

export interface RedisSessionStoreOptions {
  /** Any client of `redis` (5.12 or later) or `ioredis` (5.3 or later). It stays yours: never closed here. */
  readonly client: RedisClient;
  /** What keys begin with; the rest is the session id. Default `'sess:'`. */
  readonly prefix?: string | null | undefined;
  /** A hint how many keys Redis looks at in the first step of a listing; later steps grow. Default 100. */
  readonly scanCount?: number | undefined;
  /** Turns a session into text and back; either may return a promise. Default `JSON`. */
  readonly serializer?: Serializer | undefined;
  /**
   * Seconds that a session lives whose cookie ends with the browser (`maxAge` not set); a function decides for every
   * session. Fractions are allowed. Default 86400, one day.
   */
  readonly ttl?: Ttl | undefined;
  /** Stores sessions without a time to live: they stay until they are destroyed. Default false. */
  readonly disableTTL?: boolean | undefined;
  /** Lets the lifetime run from the last save, not from the last request. Default false. */
  readonly disableTouch?: boolean | undefined;
  /**
   * Milliseconds from its creation after which a session is over, however much it is used; also under `disableTTL` and
   * `disableTouch`. A session that was stored without its beginning, by connect-redis for one, begins when it is first
   * read here. Default: none. Source: OWASP Session Management Cheat Sheet, "Absolute Timeout".
   */
  readonly absoluteTtlMs?: number | undefined;
  /**
   * A read writes the slid time to live only once it has shrunk by so many milliseconds: fewer writes for replicas and the
   * append-only file. Never more than half of a session's lifetime. Default 0: every read.
   */
  readonly touchAfterMs?: number | undefined;
  /**
   * What happens when two requests changed the same top-level field. `'last-write'`: the later save wins. `'reject'`: the
   * later save fails with ERS_SESSION_CONFLICT. A function decides for each field. Default `'last-write'`.
   */
  readonly onConflict?: 'last-write' | 'reject' | DecideConflict | undefined;
  /**
   * Says whose session it is, from what is in it; undefined for nobody's. With it the store keeps an index of each
   * user's sessions, for `list` and `revoke`. Not set by default.
   */
  readonly userId?: ((session: SessionData) => UserId | null | undefined) | undefined;
  /** How many sessions a user may have; a login above it ends the oldest. With `userId` only. Default: any number. */
  readonly maxSessionsPerUser?: number | undefined;
  /**
   * Keys hold an HMAC-SHA-256 of the session's id under this secret, so that who sees Redis has no one's cookie. A list
   * rotates: the first is used, sessions under the others move when they are read. Give every process both, the old one
   * first, before any has the new one first: who knows only the old one does not find what has moved. 32 random bytes or
   * more each. `ids()` and `all()` then give hashes. Not set by default.
   */
  readonly hashIds?: HashSecrets;
  /**
   * Encrypts sessions with AES-256-GCM, after the serializer. What is in Redis unencrypted, under another key, another id or
   * changed is no session then. Not set by default.
   */
  readonly encryption?: EncryptionOptions | undefined;
  /** The most bytes a session may have in Redis; a save above fails with ERS_SESSION_TOO_LARGE. Default: no limit. */
  readonly maxBytes?: number | undefined;
  /**
   * The store that had the sessions before, any express-session store. A session that is not here is looked for there once
   * and moves; destroying one destroys it there too. A process that knows only the old store does not find what has moved.
   * While it fails or takes longer than a second, sessions that have not moved are unavailable (ERS_OLD_STORE_FAILED;
   * `sessions()` answers as if Redis were down) and not gone. Not set by default.
   */
  readonly migrateFrom?: OldStore | undefined;
  /** How long one call to Redis may take, in milliseconds. Default 250. */
  readonly deadlineMs?: number | undefined;
}

export const DEFAULT_DEADLINE_MS = 250;
const DAY_S = 86_400;

export function lifetimesOf(options: RedisSessionStoreOptions): Lifetimes {
  const { ttl, disableTTL = false, disableTouch = false, absoluteTtlMs, touchAfterMs = 0 } = options;
  return {
    ttl: ttl ?? DAY_S,
    hasTtl: !disableTTL,
    slides: !disableTTL && !disableTouch,
    absoluteTtlMs,
    touchAfterMs,
  };
}

export function codecFor({ serializer, encryption, maxBytes }: RedisSessionStoreOptions): Codec {
  const plain = codecOf(serializer ?? (JSON as Serializer));
  const codec = encryption == null ? plain : sealedCodec(plain, encryption);
  return maxBytes == null ? codec : limitedCodec(codec, maxBytes);
}

/** @throws SuiteError ERS_INVALID_OPTION */
export function requireSound(options: RedisSessionStoreOptions): RedisSessionStoreOptions {
  const { prefix, scanCount, serializer, ttl, deadlineMs, absoluteTtlMs, touchAfterMs, onConflict } = options;
  const { userId, maxSessionsPerUser } = options;
  if (prefix != null && typeof prefix !== 'string') throw invalidOption('prefix', prefix, 'Give a string.');
  if (scanCount != null && !(Number.isInteger(scanCount) && scanCount > 0)) {
    throw invalidOption('scanCount', scanCount, 'Give a whole number of keys, at least 1.');
  }
  if (serializer != null && !isSerializer(serializer)) {
    throw invalidOption('serializer', serializer, 'Give an object with the functions parse and stringify.');
  }
  if (ttl != null) requireTtl(ttl);
  requireMs({ deadlineMs, absoluteTtlMs }, 'more than 0', (ms) => ms > 0);
  requireMs({ touchAfterMs }, '0 or more', (ms) => ms >= 0);
  if (onConflict != null && typeof onConflict !== 'function' && !CONFLICT_WORDS.includes(onConflict)) {
    throw invalidOption('onConflict', onConflict, "Write 'last-write' or 'reject', or give a function.");
  }
  if (userId != null && typeof userId !== 'function') {
    throw invalidOption('userId', userId, 'Give a function: (session) => session.userId.');
  }
  if (maxSessionsPerUser != null) requireLimit(maxSessionsPerUser, userId);
  requireSafe(options);
  return options;
}

function requireSafe({ hashIds, maxBytes, migrateFrom }: RedisSessionStoreOptions): void {
  const secrets = secretsIn(hashIds);
  if (hashIds != null && !(Array.isArray(secrets) && secrets.length > 0 && secrets.every(isLongEnough))) {
    const remedy =
      'Give a secret of 32 random bytes or more, or a list, the newest first: openssl rand -base64 32';
    throw invalidOption('hashIds', SECRET, remedy);
  }
  if (maxBytes != null && !(Number.isInteger(maxBytes) && maxBytes > 0)) {
    throw invalidOption('maxBytes', maxBytes, 'Give a whole number of bytes, at least 1.');
  }
  if (migrateFrom == null) return;
  const { get, destroy } = migrateFrom as Partial<OldStore>;
  if (typeof get === 'function' && typeof destroy === 'function') return;
  throw invalidOption('migrateFrom', migrateFrom, 'Give an express-session store.');
}

/** In place of one in a message. */
const SECRET = '***';
const CONFLICT_WORDS: readonly unknown[] = ['last-write', 'reject'];

function requireMs(
  options: Readonly<Record<string, unknown>>,
  range: string,
  isSound: (ms: number) => boolean,
): void {
  for (const [name, value] of Object.entries(options)) {
    if (value == null || (Number.isFinite(value) && isSound(value as number))) continue;
    throw invalidOption(name, value, `Give milliseconds, ${range}.`);
  }
}

function requireLimit(maxSessionsPerUser: number, userId: RedisSessionStoreOptions['userId']): void {
  if (!(Number.isInteger(maxSessionsPerUser) && maxSessionsPerUser > 0)) {
    throw invalidOption('maxSessionsPerUser', maxSessionsPerUser, 'Give a whole number, at least 1.');
  }
  if (userId == null) {
    throw invalidOption(
      'maxSessionsPerUser',
      maxSessionsPerUser,
      'It needs userId, which says whose sessions count.',
    );
  }
}

function isSerializer({ parse, stringify }: Partial<Serializer>): boolean {
  return typeof parse === 'function' && typeof stringify === 'function';
}
