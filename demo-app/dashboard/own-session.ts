/** A visitor's own session and devices, to look at. */
import type { Request } from 'express';
import type { RedisSessionStore, UserSession } from 'express-redis-suite/session';
import type { Users } from '../services/users.js';

export interface ShownSession {
  /** `anonymous`: nobody is logged in. `away`: Redis is, so nobody can tell; whoever was logged in is so again after it. */
  readonly state: 'logged-in' | 'anonymous' | 'away';
  readonly name?: string;
  /** Until it ends unless it is used, in milliseconds. */
  readonly idleLeftMs?: number;
  /** Until it ends however much it is used, in milliseconds; absent without Redis. */
  readonly absoluteLeftMs?: number;
  /** Absent without Redis: then nobody knows of others. */
  readonly devices?: readonly UserSession[];
}

export interface SessionLifetimes {
  readonly idleMs: number;
  readonly absoluteMs: number;
}

export interface SessionViewParts {
  readonly users: Users;
  readonly lifetimes: SessionLifetimes;
  /** Undefined without Redis. */
  readonly store: RedisSessionStore | undefined;
}

/** Of a request that has passed `sessions()`; on Redis with `disableTouch`, or a look would keep the session alive. */
export async function sessionOf(req: Request, parts: SessionViewParts): Promise<ShownSession> {
  const { users, lifetimes, store } = parts;
  const { sessionStore, session, sessionID } = req;
  // Under `onRedisDown: 'anonymous'` another store stands in while Redis is down.
  if (store !== undefined && (sessionStore as unknown) !== store) return { state: 'away' };
  const { userId } = session;
  if (userId === undefined) return { state: 'anonymous' };
  const name = (await users.find(userId))?.name ?? 'somebody';
  if (store === undefined) return { state: 'logged-in', name, idleLeftMs: lifetimes.idleMs };

  const devices = await store.list(userId, sessionID).catch(() => undefined);
  if (devices === undefined) return { state: 'away' };
  const current = devices.find(({ isCurrent }) => isCurrent);
  if (current === undefined) return { state: 'anonymous' };
  const now = Date.now();
  return {
    state: 'logged-in',
    name,
    idleLeftMs: current.lastSeenAt.getTime() + lifetimes.idleMs - now,
    absoluteLeftMs: current.createdAt.getTime() + lifetimes.absoluteMs - now,
    devices,
  };
}
