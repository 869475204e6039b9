/** Sessions that still are where they were before: in another store, or under names made with an older secret. */
import type { SessionData } from 'express-session';
import { startDeadline } from '../core/deadline.js';
import { SuiteError } from '../core/errors.js';
import { asSession } from './entry.js';

/** The two methods of any express-session store that are needed: with a callback, with a promise, or both. */
export interface OldStore {
  // biome-ignore lint/suspicious/noExplicitAny: stores type their callbacks in many ways
  get(sid: string, callback: (error?: any, session?: any) => void): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: see above
  destroy(sid: string, callback: (error?: any) => void): unknown;
}

/** A session that is found in a source. */
export interface Moving {
  readonly data: SessionData;
  readonly createdMs: number | undefined;
}

export interface Source {
  read(sid: string): Promise<Moving | null>;
  /** Whether there was one; undefined where the store does not say. */
  destroy(sid: string): Promise<boolean | undefined>;
}

/** Everything that goes wrong in it is an ERS_OLD_STORE_FAILED; a session that is not there is null. */
export function sourceOf(store: OldStore): Source {
  return {
    async read(sid) {
      const found = await ask(store.get.length, (done) => store.get(sid, done));
      const data = asSession(found);
      return data === undefined ? null : { data, createdMs: undefined };
    },
    async destroy(sid) {
      await ask(store.destroy.length, (done) => store.destroy(sid, done));
      return undefined;
    },
  };
}

/** It may be a database of any kind, so it gets longer than Redis. */
const DEADLINE_MS = 1000;
const TAKES_CALLBACK = 2;

function ask(
  parameters: number,
  call: (done: (error?: unknown, value?: unknown) => void) => unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const callOff = startDeadline(DEADLINE_MS, () => reject(failed('no answer within a second')));
    function done(error?: unknown, value?: unknown) {
      callOff();
      // Of stores in files; express-session takes it for a session that is not there.
      if (error && (error as { code?: unknown }).code !== 'ENOENT') return reject(failed('it failed', error));
      resolve(value);
    }
    async function settle() {
      const returned = call(done);
      // Not a promise: whatever it returned, the callback says what there is.
      if (!isThenable(returned)) return;
      const value = await returned;
      // An asynchronous function that takes a callback may return long before it calls it.
      if (value !== undefined || parameters < TAKES_CALLBACK) done(undefined, value);
    }
    settle().catch((error) => done(error ?? new Error('rejected')));
  });
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

function failed(how: string, cause?: unknown): SuiteError {
  return new SuiteError('ERS_OLD_STORE_FAILED', `session: the store of migrateFrom cannot be used: ${how}`, {
    cause,
  });
}
