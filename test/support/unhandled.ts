/** Promises that were rejected with nobody there to hear it: outside of tests each of them ends its process. */
import { onTestEnd } from './cleanup.js';

/** What such promises are rejected with from now on, until the test ends. */
export function unhandledRejections(): readonly unknown[] {
  const reasons: unknown[] = [];
  const note = (reason: unknown) => void reasons.push(reason);
  process.on('unhandledRejection', note);
  onTestEnd(async () => void process.off('unhandledRejection', note));
  return reasons;
}
