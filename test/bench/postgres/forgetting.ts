/** What pub/sub forgets, and a stream does not: the same messages, to a listener that is restarted now and then. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisClient } from '../../../demo-app/database/redis.js';
import { type Events, openEvents } from '../../../demo-app/events/events.js';

const MESSAGES = 2_000;
const EVERY_MS = 2;
const RESTARTS = 4;
const AWAY_MS = 250;
const STREAM = 'bench:stream';

export interface Heard {
  readonly sent: number;
  readonly restarts: number;
  readonly awayMs: number;
  readonly byPubSub: number;
  readonly fromStream: number;
}

export async function countWhatIsHeard(redis: RedisClient): Promise<Heard> {
  const byPubSub = new Set<number>();
  const fromStream = new Set<number>();
  let last = '0';
  const publisher = await openEvents(redis);
  let listener = await listen();

  for (let id = 1; id <= MESSAGES; id += 1) {
    publisher.publish({ kind: 'order', id, status: 'placed', total: 1 });
    await redis.xAdd(STREAM, '*', { id: String(id) });
    if (id % (MESSAGES / RESTARTS) === MESSAGES / RESTARTS / 2) void restart();
    await sleep(EVERY_MS);
  }
  await sleep(AWAY_MS);
  await readStream();
  listener.close();
  publisher.close();
  await redis.del(STREAM);
  const heard = { byPubSub: byPubSub.size, fromStream: fromStream.size };
  return { sent: MESSAGES, restarts: RESTARTS, awayMs: AWAY_MS, ...heard };

  async function listen(): Promise<Events> {
    const events = await openEvents(redis);
    events.follow((event) => void (event.kind === 'order' && byPubSub.add(event.id)));
    await readStream();
    return events;
  }

  async function restart(): Promise<void> {
    listener.close();
    await sleep(AWAY_MS);
    listener = await listen();
  }

  /** On from the last one that it has. */
  async function readStream(): Promise<void> {
    for (const { id, message } of (await redis.xRange(STREAM, last === '0' ? '-' : `(${last}`, '+')) ?? []) {
      last = id;
      fromStream.add(Number(message.id));
    }
  }
}
