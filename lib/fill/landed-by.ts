/** What comes in time, else undefined. */

export async function landedBy<Result>(
  giveUpAt: number,
  landing: Promise<Result>,
): Promise<Result | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.max(0, giveUpAt - performance.now()), undefined).unref();
  });
  try {
    return await Promise.race([landing, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
