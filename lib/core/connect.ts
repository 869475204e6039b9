/** A node-redis client with the settings that survive outages, and the one kind of client that we may reconnect ourselves. */
import type { createClient, RedisClientOptions } from 'redis';
import { redisOf } from './client.js';
import { startDeadline, withinDeadline } from './deadline.js';

/** node-redis' own options; `url` is all that most apps need. */
export interface ConnectRedisOptions extends Omit<RedisClientOptions, 'url'> {
  /** `redis[s]://[[username][:password]@]host[:port][/db-number]`. Default: 127.0.0.1:6379. */
  readonly url?: string | undefined;
}

/** What `createClient` of node-redis returns. */
export type ConnectedRedis = ReturnType<typeof createClient>;

const CONNECT_TIMEOUT_MS = 500;
/** A connection on which nothing moves for this long is closed, be it in the middle of its handshake. */
const SILENCE_MS = 1_500;
const FIRST_ATTEMPT_MS = 1_500;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 500;
const PING_EVERY_MS = 250;
const PING_TIMEOUT_MS = 1_000;

/**
 * A node-redis client that connects in the background and keeps trying, for ever.
 *
 * Resolves when it is ready or its first attempt has failed, whichever comes first: a start-up never waits for, or fails
 * on, an absent Redis. Compared with `createClient` it retries within 500 ms, keeps no offline queue (nothing is replayed
 * after an outage), and replaces a connection on which a PING finds no answer for a second, which node-redis itself
 * would wait for until TCP gives up. Commands that block for longer (BLPOP and the like) need a connection of their own:
 * `client.duplicate()`. Close it with `client.close()` or `client.destroy()` as usual.
 *
 * @param given node-redis' own options, or the URL alone.
 * @throws when the `redis` package is not installed, or for options that node-redis refuses.
 */
export async function connectRedis(given: string | ConnectRedisOptions = {}): Promise<ConnectedRedis> {
  const options = typeof given === 'string' ? { url: given } : given;
  const { createClient } = await import('redis');
  const socket = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    reconnectStrategy: retryAfterMs,
    ...options.socket,
  } as NonNullable<RedisClientOptions['socket']>;
  const settings = { disableOfflineQueue: true, ...options, socket } as RedisClientOptions;
  const client = createClient(settings) as unknown as ConnectedRedis;
  redisOf(client);
  recycleWhenSilent(client);
  closeWithoutWaitingForEver(client);
  if (options.socket?.socketTimeout === undefined) letDuplicatesBeSilent(client);
  await firstAttempt(client);
  return client;
}

function retryAfterMs(retries: number): number {
  const jitter = Math.random() * FIRST_RETRY_MS;
  return Math.min(FIRST_RETRY_MS * 2 ** Math.min(retries, 10), LONGEST_RETRY_MS - FIRST_RETRY_MS) + jitter;
}

function firstAttempt(client: ConnectedRedis): Promise<void> {
  return new Promise((resolve) => {
    client.once('ready', resolve);
    client.once('error', () => resolve());
    startDeadline(FIRST_ATTEMPT_MS, resolve);
    connectInBackground(client);
  });
}

function connectInBackground(client: ConnectedRedis): void {
  // Failures arrive as `error` events; the promise rejects only when the user closes the client meanwhile.
  client.connect().catch(() => {});
}

/**
 * Replaces the connection when a PING gets no answer: the peer may be gone without a word.
 *
 * Only a connection that was ready is replaced. While node-redis connects, its own loop is at work, and a second one
 * would put two sockets behind one queue of commands: replies would go to the wrong callers.
 */
function recycleWhenSilent(client: ConnectedRedis): void {
  let timer: NodeJS.Timeout | undefined;
  let callOffPing: (() => void) | undefined;

  client.on('ready', function watch() {
    stop();
    timer = setInterval(ping, PING_EVERY_MS).unref();
  });
  client.on('end', stop);

  function stop() {
    clearInterval(timer);
    callOffPing?.();
    callOffPing = undefined;
  }

  function ping() {
    if (callOffPing !== undefined || !client.isReady) return;
    const callOff = startDeadline(PING_TIMEOUT_MS, replace);
    callOffPing = callOff;
    const answered = () => {
      callOff();
      if (callOffPing === callOff) callOffPing = undefined;
    };
    client.ping().then(answered, answered);
  }

  function replace() {
    callOffPing = undefined;
    if (!client.isReady || !client.isOpen) return;
    client.destroy();
    connectInBackground(client);
  }
}

/**
 * node-redis' own `close()` waits for every answer, which may never come, and redis 5 then lets nobody end the connection.
 * A PING shows beforehand that all answers are there.
 */
function closeWithoutWaitingForEver(client: ConnectedRedis): void {
  const closeWhenIdle = client.close.bind(client);
  client.close = async function close() {
    if (!client.isOpen) return closeWhenIdle();
    const mayBeIdle = await isAnswering(client);
    // Whoever waits no longer may have destroyed it meanwhile.
    if (!client.isOpen) return;
    if (!mayBeIdle) return void client.destroy();
    // What was sent behind the PING may find no answer either. One of redis 5 then ends by its silence alone.
    await withinDeadline(PING_TIMEOUT_MS, closeWhenIdle())
      .catch(async () => client.destroy())
      .catch(() => {});
  };
}

function isAnswering(client: ConnectedRedis): Promise<boolean> {
  if (!client.isReady) return Promise.resolve(false);
  return new Promise((resolve) => {
    const callOff = startDeadline(PING_TIMEOUT_MS, () => resolve(false));
    // An error is an answer too, unless the connection is what failed.
    const answered = () => {
      callOff();
      resolve(client.isReady);
    };
    client.ping().then(answered, answered);
  });
}

/** Connections that block or listen are silent by nature: nothing but TCP tells whether their peer is there. */
function letDuplicatesBeSilent(client: ConnectedRedis): void {
  const duplicate = client.duplicate.bind(client) as (overrides: RedisClientOptions) => ConnectedRedis;
  const duplicateThatMayBeSilent = (overrides: RedisClientOptions = {}) => {
    const socket = { ...client.options.socket, socketTimeout: 0, ...overrides.socket };
    return duplicate({ ...overrides, socket } as RedisClientOptions);
  };
  client.duplicate = duplicateThatMayBeSilent as unknown as ConnectedRedis['duplicate'];
}
