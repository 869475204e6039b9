/** Work on one session takes turns within this process, so that parallel requests meet in Redis once, not again and again. */
import { hasCode } from '../core/errors.js';

export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` after all that was queued for `sid` before; fails at once with what made them find no Redis. */
  take<T>(sid: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(sid);
    const turn = before === undefined ? work() : before.then(work, (error) => afterFailure(error, work));
    this.#last.set(sid, turn);
    const leave = () => {
      if (this.#last.get(sid) === turn) this.#last.delete(sid);
    };
    turn.then(leave, leave);
    return turn;
  }

  /** What is under way for `sid`, undefined when nothing is. */
  pending(sid: string): Promise<unknown> | undefined {
    return this.#last.get(sid);
  }
}

/** One that waited behind a frozen Redis must not wait for it once more. */
function afterFailure<T>(error: unknown, work: () => Promise<T>): Promise<T> {
  if (hasCode(error, 'ERS_REDIS_UNAVAILABLE')) throw error;
  return work();
}
