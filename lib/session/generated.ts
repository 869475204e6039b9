/** Which sessions are new: express-session does not tell them from those that it loaded. */
import type { Store } from 'express-session';
import type { SessionRequest } from './request.js';

/** The sessions that express-session made because it found none. */
export type Generated = Pick<WeakSet<object>, 'has'>;

/**
 * express-session makes new sessions by `store.generate`, which it puts there itself.
 *
 * Another express-session over the same store, Socket.IO's for one, would put its own there, whose cookies are not safe
 * and whose sessions nobody notes: the first one stays.
 */
export function watchGenerated(store: Store): Generated {
  const { generate } = store as unknown as { generate(req: SessionRequest): void };
  const generated = new WeakSet<object>();
  function generateSession(req: SessionRequest) {
    generate(req);
    generated.add(req.session as object);
  }
  Object.defineProperty(store, 'generate', { get: () => generateSession, set() {} });
  return generated;
}
