/** What the index of a user's sessions holds of each, and how it is spelled. Pure. */
import { createHash } from 'node:crypto';
import { invalidOption } from '../core/errors.js';
import type { Device } from './devices.js';

/** What a user is called. */
export type UserId = string | number;

/** One session of a user, for a page that lists them. */
export interface UserSession {
  /** For `revoke`. It is no session id, and none can be made of it. */
  readonly handle: string;
  /** Whether it is the one that the list was asked from. */
  readonly isCurrent: boolean;
  /** When it became this user's. */
  readonly createdAt: Date;
  /**
   * When a request last used it: to `touchAfterMs` exactly, never before `createdAt`. What `absoluteTtlMs` cuts off a
   * session's last lifetime makes it seem that much earlier.
   */
  readonly lastSeenAt: Date;
  /** As it was at the login, or when the session was last saved long after that. */
  readonly device: Device;
}

/** One entry of the index. */
export interface Entered {
  readonly handle: string;
  /** The session's name in the store, without the prefix. */
  readonly id: string;
  /** How long it lives after each request; 0: it has no end. */
  readonly livesForMs: number;
  readonly createdAtMs: number;
  readonly device: Device;
}

/** 128 bits of a hash: as long as nobody guesses session ids, nobody finds one by it. */
const HANDLE_LENGTH = 22;

export function handleOf(sid: string): string {
  return createHash('sha256').update(`session handle ${sid}`).digest('base64url').slice(0, HANDLE_LENGTH);
}

/** What `userId` returned, as it stands in the index' key. */
export function userName(user: unknown): string {
  if (typeof user === 'string' && user !== '') return user;
  if (typeof user === 'number' && Number.isFinite(user)) return String(user);
  throw invalidOption(
    'userId',
    user,
    'A user is a string with something in it, or a number; undefined is nobody.',
  );
}

/** @param flat handles and entries in turn, as scripts reply; what is no entry is left out */
export function entriesIn(flat: readonly string[]): Entered[] {
  const entries: Entered[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const entry = entryOf(flat[i] as string, flat[i + 1] as string);
    if (entry !== undefined) entries.push(entry);
  }
  return entries;
}

/** The TTL starts anew with each request, so what is gone of it is the time since the last. */
export function lastSeenAt({ livesForMs, createdAtMs }: Entered, leftMs: number, nowMs: number): Date {
  // One without an end tells nothing.
  const idleMs = leftMs < 0 ? Number.POSITIVE_INFINITY : Math.max(0, livesForMs - leftMs);
  return new Date(Math.max(createdAtMs, nowMs - idleMs));
}

/** `1`, the version, when it came in microseconds, and JSON. */
const ENTRY = /^1 (\d{1,16}) (\{.*\})$/s;

function entryOf(handle: string, text: string): Entered | undefined {
  const [, since, json = ''] = ENTRY.exec(text) ?? [];
  const { id, livesForMs, userAgent, network } = objectIn(json);
  if (since === undefined || typeof id !== 'string') return undefined;
  return {
    handle,
    id,
    livesForMs: typeof livesForMs === 'number' ? livesForMs : 0,
    createdAtMs: Number(since) / 1000,
    device: { userAgent: textOrNothing(userAgent), network: textOrNothing(network) },
  };
}

function objectIn(json: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(json));
  } catch {
    return {};
  }
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
