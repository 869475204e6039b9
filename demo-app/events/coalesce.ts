/** Work that is asked for more often than it needs to be done. */

export interface Coalesced {
  /** The work begins after this, once for all who ask until then. */
  ask(): void;
  /** Resolves when nothing runs, and nothing will. */
  stop(): Promise<void>;
}

/**
 * One run at a time, `pauseMs` after it was first asked for; who asks during a run gets another one, for that run may
 * have read what was there before.
 */
export function coalesce(work: () => Promise<void>, pauseMs: number): Coalesced {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isWanted = false;
  let isOver = false;

  function ask(): void {
    isWanted = true;
    if (isOver || timer !== undefined || running !== undefined) return;
    timer = setTimeout(run, pauseMs);
  }

  function run(): void {
    timer = undefined;
    isWanted = false;
    running = work().finally(function again() {
      running = undefined;
      if (isWanted) ask();
    });
  }

  return {
    ask,
    async stop() {
      isOver = true;
      clearTimeout(timer);
      await running;
    },
  };
}
