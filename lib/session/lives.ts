/** What became of sessions, told to who listens: begun, given a new id, destroyed, asked for in vain. */
import type { SessionData } from 'express-session';
import { sessionLifeChannel } from '../core/channels.js';
import type { Known } from './known.js';
import { handleOf } from './user-entry.js';

export class Lives {
  /** By a session that is not stored yet: the handle of the one in whose place it is. */
  readonly #replaced = new WeakMap<object, string>();

  /** @param known of the session that gives way to `next` */
  noteRenewal(sid: string, known: Known | undefined, next: object | null | undefined): void {
    if (known !== undefined && next != null) this.#replaced.set(next, handleOf(sid));
  }

  /** Of plain data, of which nothing is known afterwards, nobody can tell whether it was there before. */
  noteSave(sid: string, session: SessionData, before: Known | undefined, after: Known | undefined): void {
    const isNew = before === undefined && after !== undefined && !after.isGone;
    if (!isNew || !sessionLifeChannel.hasSubscribers) return;
    const replaces = this.#replaced.get(session);
    const event = replaces === undefined ? 'created' : 'renewed';
    sessionLifeChannel.publish({ event, handle: handleOf(sid), user: after.user, replaces });
  }
}

/** Only valid ids are read: without a session this one ended, or was destroyed. */
export function watchRead(sid: string, reading: Promise<SessionData | null>): void {
  if (!sessionLifeChannel.hasSubscribers) return;
  reading.then(
    (data) => data === null && publish('expired', handleOf(sid)),
    () => {},
  );
}

export function noteDestroyed(sid: string): void {
  if (sessionLifeChannel.hasSubscribers) publish('destroyed', handleOf(sid));
}

export function noteRevoked(handle: string, user: string): void {
  if (sessionLifeChannel.hasSubscribers) publish('destroyed', handle, user);
}

function publish(event: 'expired' | 'destroyed', handle: string, user?: string): void {
  sessionLifeChannel.publish({ event, handle, user, replaces: undefined });
}
