/** How a store answers: with a callback, a promise, or both, and an event for who listens. */
import { type SessionEvent, sessionChannel } from '../core/channels.js';
import { failureOf } from '../core/errors.js';

// biome-ignore lint/suspicious/noExplicitAny: as connect-redis and express-session type it
export type Callback = (error?: any, data?: any) => any;

/** A callback is called once, even one that throws; what it throws rejects the promise. */
export function answer<T>(work: Promise<T>, cb: Callback | undefined): Promise<T> {
  if (cb !== undefined) return callBack(work, cb);
  // `req.session.destroy()` drops the promise: an outage must not end the process for that.
  work.catch(() => {});
  return work;
}

function callBack<T>(work: Promise<T>, cb: Callback): Promise<T> {
  return work.then(
    (result) => cb(null, result ?? null),
    (failure: unknown) => cb(failureOf(failure), null),
  );
}

/** Publishes what became of one operation, when someone listens. */
export function observe<T>(
  operation: SessionEvent['operation'],
  work: Promise<T>,
  outcomeOf: (result: T) => SessionEvent['outcome'] = () => 'ok',
): Promise<T> {
  if (!sessionChannel.hasSubscribers) return work;
  const startedAt = performance.now();
  const publish = (outcome: SessionEvent['outcome']) =>
    sessionChannel.publish({ operation, outcome, durationMs: performance.now() - startedAt });
  work.then(
    (result) => publish(outcomeOf(result)),
    () => publish('error'),
  );
  return work;
}

/** Nothing had to be done: the callback runs before this returns, so that no response waits for it. */
export function answerAtOnce(cb: Callback | undefined): Promise<null> {
  cb?.(null, null);
  return Promise.resolve(null);
}

/** What calls back, as a promise. */
export function promised(act: (done: (error: unknown) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    act((error) => (error ? reject(error) : resolve()));
  });
}
