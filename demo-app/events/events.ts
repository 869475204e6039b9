/** What happens in the shop, told to everyone who follows: over Redis pub/sub to all processes, without Redis to this one. */
import type { RedisClient } from '../database/redis.js';

/** On Redis each is a message on the channel `shop:<kind>:<id>`, such as `shop:order:42`. */
export type ShopEvent =
  | { readonly kind: 'order'; readonly id: number; readonly status: string; readonly total: number }
  /** A product's new price. */
  | { readonly kind: 'price'; readonly id: number; readonly name: string; readonly price: number }
  /** The id is the order's. */
  | { readonly kind: 'notification'; readonly id: number; readonly text: string }
  /** There is a new report of that name; `refreshedAt` as in the report. */
  | { readonly kind: 'report'; readonly id: string; readonly refreshedAt: string };

type Listener = (event: ShopEvent) => void;

/**
 * At most once: whoever does not listen at that moment never hears of it, and nobody knows. Fine for a page that is
 * brought up to date, or a report that is made anew on a schedule, too. What must not be lost belongs into a table in
 * the same transaction, a Redis Stream, SQS or Kafka.
 */
export interface Events {
  /** Waits for nothing and never throws: the order is placed, whoever hears of it. */
  publish(event: ShopEvent): void;
  /** `onEnd` is called when no more will come. */
  follow(onEvent: Listener, onEnd?: () => void): void;
  close(): void;
}

const PREFIX = 'shop:';
const MAX_MESSAGE_LENGTH = 10_000;
const FIRST_TRY_MS = 1_000;
// A subscription is silent by nature: a PING tells whether the other end is still there.
const PING_EVERY_MS = 5_000;
const SILENT_FOR_MS = 15_000;

/** Resolves when it listens, or when Redis could not be reached at once; then it listens as soon as it can. */
export async function openEvents(redis: RedisClient | undefined): Promise<Events> {
  const followers = new Set<{ onEvent: Listener; onEnd: () => void }>();
  const tell: Listener = (event) => {
    for (const { onEvent } of followers) callSafely(() => onEvent(event));
  };
  const stopListening = redis === undefined ? () => {} : await listen(redis, tell);

  return {
    publish(event) {
      if (redis === undefined) tell(event);
      else redis.publish(`${PREFIX}${event.kind}:${event.id}`, JSON.stringify(event)).catch(forget);
    },
    follow(onEvent, onEnd = () => {}) {
      followers.add({ onEvent, onEnd });
    },
    close() {
      stopListening();
      for (const { onEnd } of followers) onEnd();
      followers.clear();
    },
  };
}

/** On a connection of its own, which a subscription takes. */
async function listen(redis: RedisClient, tell: Listener): Promise<() => void> {
  const connection = redis.duplicate({
    pingInterval: PING_EVERY_MS,
    socket: { socketTimeout: SILENT_FOR_MS },
  });

  function onMessage(message: string) {
    const event = eventIn(message);
    if (event !== undefined) tell(event);
  }

  await new Promise<void>((resolve) => {
    // It subscribes again by itself after a lost connection, but not when that was lost before the first time.
    connection.on('ready', () => void connection.pSubscribe(`${PREFIX}*`, onMessage).then(resolve, forget));
    // The one of the other client has been logged.
    connection.on('error', () => resolve());
    setTimeout(resolve, FIRST_TRY_MS).unref();
    connection.connect().catch(forget);
  });
  return () => void (connection.isOpen && connection.destroy());
}

/** Anybody who reaches Redis can publish there. */
function eventIn(message: string): ShopEvent | undefined {
  if (message.length > MAX_MESSAGE_LENGTH) return undefined;
  try {
    const event = JSON.parse(message);
    return isSound(event) ? event : undefined;
  } catch {
    return undefined;
  }
}

function isSound(event: Record<string, unknown>): boolean {
  const { kind, id, status, total, name, price, text, refreshedAt } = event;
  if (kind === 'order') return isId(id) && typeof status === 'string' && typeof total === 'number';
  if (kind === 'price') return isId(id) && typeof name === 'string' && typeof price === 'number';
  if (kind === 'notification') return isId(id) && typeof text === 'string';
  return kind === 'report' && typeof id === 'string' && typeof refreshedAt === 'string';
}

function isId(id: unknown): boolean {
  return Number.isSafeInteger(id) && Number(id) > 0;
}

/** A follower that throws must not fail the order that it is told of, nor end the process. */
function callSafely(call: () => void): void {
  try {
    call();
  } catch (error) {
    process.emitWarning(error as Error);
  }
}

function forget(): void {}
