/** A node-redis client with the settings that survive outages, and the one kind of client that we may reconnect ourselves. */
import type { RedisClientOptions, RedisClientType } from 'redis';
import { redisOf } from './client.js';
import { startDeadline } from './deadline.js';

/** node-redis' own options; `url` is all that most apps need. */
export type ConnectRedisOptions = RedisClientOptions;

const CONNECT_TIMEOUT_MS = 500;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 500;
const PING_EVERY_MS = 250;
const PING_TIMEOUT_MS = 500;
/** From TCP connect to ready: HELLO, AUTH and SELECT. */
const HANDSHAKE_TIMEOUT_MS = 1000;

/**
 * A node-redis client that connects in the background and keeps trying, for ever.
 *
 * Resolves when it is ready or its first attempt has failed, whichever comes first: a start-up never waits for, or fails
 * on, an absent Redis. Compared with `createClient` it retries within 500 ms, keeps no offline queue (nothing is replayed
 * after an outage), and replaces a connection that no longer answers, which node-redis itself would wait for until TCP
 * gives up. Close it with `client.close()` or `client.destroy()` as usual.
 *
 * @throws when the `redis` package is not installed, or for options that node-redis refuses.
 */
export async function connectRedis(options: ConnectRedisOptions = {}): Promise<RedisClientType> {
  const { createClient } = await import('redis');
  const socket = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectStrategy: retryAfterMs,
    ...options.socket,
  } as NonNullable<RedisClientOptions['socket']>;
  const client = createClient({
    disableOfflineQueue: true,
    ...options,
    socket,
  }) as unknown as RedisClientType;
  redisOf(client);
  recycleWhenSilent(client);
  await firstAttempt(client);
  return client;
}

function retryAfterMs(retries: number): number {
  const jitter = Math.random() * FIRST_RETRY_MS;
  return Math.min(FIRST_RETRY_MS * 2 ** Math.min(retries, 10), LONGEST_RETRY_MS - FIRST_RETRY_MS) + jitter;
}

function firstAttempt(client: RedisClientType): Promise<void> {
  return new Promise((resolve) => {
    client.once('ready', resolve);
    client.once('error', () => resolve());
    startDeadline(CONNECT_TIMEOUT_MS + HANDSHAKE_TIMEOUT_MS, resolve);
    connectInBackground(client);
  });
}

function connectInBackground(client: RedisClientType): void {
  // Failures arrive as `error` events; the promise rejects only when the user closes the client meanwhile.
  client.connect().catch(() => {});
}

/** Replaces the connection when a PING or a handshake gets no answer: the peer may be gone without a word. */
function recycleWhenSilent(client: RedisClientType): void {
  let callOffPing: (() => void) | undefined;
  let callOffHandshake: (() => void) | undefined;
  let isRecycling = false;

  client.on('connect', function awaitHandshake() {
    callOffHandshake?.();
    callOffHandshake = startDeadline(HANDSHAKE_TIMEOUT_MS, recycle);
  });
  client.on('ready', () => callOffHandshake?.());
  client.on('error', () => callOffHandshake?.());
  client.on('end', function stopUnlessRecycling() {
    if (!isRecycling) clearInterval(timer);
  });
  const timer = setInterval(ping, PING_EVERY_MS);
  timer.unref();

  function ping() {
    if (!client.isReady || callOffPing !== undefined) return;
    const callOff = startDeadline(PING_TIMEOUT_MS, recycle);
    callOffPing = callOff;
    const answered = () => {
      callOff();
      if (callOffPing === callOff) callOffPing = undefined;
    };
    client.ping().then(answered, answered);
  }

  function recycle() {
    if (!client.isOpen) return;
    callOffPing?.();
    callOffPing = undefined;
    callOffHandshake?.();
    isRecycling = true;
    client.destroy();
    connectInBackground(client);
    isRecycling = false;
  }
}
