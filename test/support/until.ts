/** Waiting for what comes about by itself, by looking again and again. */
import { setTimeout as sleep } from 'node:timers/promises';

const BETWEEN_LOOKS_MS = 10;

/** @param withinMs after this the wait is a failure, which names what was waited for. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  withinMs = 10_000,
  complaint = String(isSo),
): Promise<void> {
  const giveUpAt = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${withinMs} ms: ${complaint}`);
    await sleep(BETWEEN_LOOKS_MS);
  }
}

/** What `attempt` returns as soon as it does not throw any more. */
export async function eventually<Result>(
  attempt: () => Result | Promise<Result>,
  withinMs = 5_000,
): Promise<Result> {
  const giveUpAt = performance.now() + withinMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await sleep(2 * BETWEEN_LOOKS_MS);
    }
  }
}
