/** Many calls to Redis at once, but not all of them. */

const AT_ONCE = 100;

/** In their order. A failure is thrown, and the batches after it are not begun. */
export async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    results.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  }
  return results;
}
