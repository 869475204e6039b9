/** Asking a server that may be away or frozen, and waiting no longer than it is worth. */

/** What `ask` resolves to; undefined when it fails, or takes longer. */
export async function within<T>(ms: number, ask: () => PromiseLike<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  const answer = Promise.resolve()
    .then(ask)
    .catch(() => undefined);
  try {
    return await Promise.race([answer, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
