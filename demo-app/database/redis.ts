/** The one Redis client of a process, made at start-up. It outlives every outage, and the app goes on without it. */
import { connectRedis } from 'express-redis-suite/redis';

export type RedisClient = Awaited<ReturnType<typeof connectRedis>>;

/** Resolves when it is connected, or when the first attempt has failed and the next ones go on in the background. */
export async function openRedis(url: string, log: (line: string) => void): Promise<RedisClient> {
  const client = await connectRedis({ url });
  // One line per change, not one per attempt.
  let isAway = false;
  function sayAway(reason: string) {
    if (!isAway) log(`redis: away (${reason}), the demo goes on without it`);
    isAway = true;
  }
  client.on('error', (error: Error) => sayAway(error.message || error.name));
  client.on('ready', () => {
    if (isAway) log('redis: in use again');
    isAway = false;
  });
  if (!client.isReady) sayAway('not reached yet');
  return client;
}
