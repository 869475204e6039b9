// What a test has to undo, undone when it ends, whether it passed or not.

const CLEANED_UP_WITHIN_MS = 5_000;

type CleanUp = () => unknown;

const pending: CleanUp[] = [];

/** Runs `cleanUp` when the current test ends; the last one registered runs first. */
export function onTestEnd(cleanUp: CleanUp): void {
  pending.push(cleanUp);
}

/** Runs all of them, even if one fails or hangs, and then throws what went wrong. */
export async function runCleanUps(): Promise<void> {
  const failures: unknown[] = [];
  for (let next = pending.pop(); next; next = pending.pop()) {
    try {
      await within(CLEANED_UP_WITHIN_MS, next);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, `${failures.length} clean-ups failed`);
}

async function within(limitMs: number, cleanUp: CleanUp): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    const help = `a clean-up took longer than ${limitMs} ms: ${cleanUp}`;
    timer = setTimeout(() => reject(new Error(help)), limitMs);
  });
  try {
    await Promise.race([cleanUp(), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
