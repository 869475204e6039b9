/** A deadline that blames Redis only for what Redis did: a blocked event loop is not a slow reply. */

/** How often a timer that itself fired late may be set again before its verdict counts. */
const MAX_EXTENSIONS = 2;

/** Node's timers count anything longer as 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Calls `onMissed` once `deadlineMs` are over, and returns the function that calls it off.
 *
 * A timer that fires late shows that this process was busy: the reply may lie unread in the socket, or the command may
 * not even have left. So the deadline moves on a little, and the verdict always waits for two turns of the event loop,
 * in which the sockets are polled.
 */
export function startDeadline(deadlineMs: number, onMissed: () => void): () => void {
  const ms = Math.min(deadlineMs, LONGEST_TIMER_MS);
  let isOver = false;
  let extensions = 0;
  let timer = arm(ms);

  return function callOff() {
    isOver = true;
    clearTimeout(timer);
  };

  function arm(delay: number): NodeJS.Timeout {
    const dueAt = performance.now() + delay;
    return setTimeout(function judge() {
      const isLate = performance.now() - dueAt > ms / 10;
      if (!isLate || extensions === MAX_EXTENSIONS) return afterSocketsWerePolled(miss);
      extensions += 1;
      timer = arm(ms / 2);
    }, delay).unref();
  }

  function miss() {
    if (isOver) return;
    isOver = true;
    onMissed();
  }
}

/** What comes of `work`; rejects when nothing has come of it by then. */
export function withinDeadline<Result>(deadlineMs: number, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const callOff = startDeadline(deadlineMs, () => reject(new Error(`no answer within ${deadlineMs} ms`)));
    work.then(resolve, reject).finally(callOff);
  });
}

function afterSocketsWerePolled(then: () => void): void {
  setImmediate(() => setImmediate(then));
}
