/** Walks the keys of one Redis server with SCAN: each page found by one command, in steps that grow. */
import { globEscaped } from './keys.js';

interface ScanPage {
  readonly cursor: string;
  readonly keys: readonly string[];
}

export type ScanStep = (cursor: string, pattern: string, count: number) => Promise<ScanPage>;

/** About a millisecond of Redis' time. */
const LARGEST_STEP = 5000;

/**
 * @param count how many keys Redis looks at in the first step. Each step takes twice as many, up to 5,000: a few keys
 *   among a hundred thousand others must not cost a thousand round trips.
 * @param keyPrefix what the client puts before the keys of all other commands; SCAN takes no keys, so it knows nothing
 *   of it.
 */
export async function* scanKeys(
  step: ScanStep,
  pattern: string,
  count: number,
  keyPrefix = '',
): AsyncIterable<string[]> {
  let cursor = '0';
  let size = count;
  do {
    const page = await step(cursor, globEscaped(keyPrefix) + pattern, size);
    cursor = String(page.cursor);
    size = Math.max(count, Math.min(size * 2, LARGEST_STEP));
    yield page.keys.map((key) => key.slice(keyPrefix.length));
  } while (cursor !== '0');
}
