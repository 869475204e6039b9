/** What a feature says when it was given no `client`: fine for tests and a first try, wrong for several processes. */

export function warnInProcessOnly(feature: string): void {
  if (process.env.NODE_ENV !== 'production') return;
  console.warn(
    `express-redis-suite: ${feature} was given no client, so it works in this process only. Give it a Redis client to share between processes.`,
  );
}
