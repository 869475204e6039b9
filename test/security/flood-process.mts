// Floods each feature with identities that are never seen twice, and prints what of it this process still holds.
import { setTimeout as sleep } from 'node:timers/promises';
import express, { type RequestHandler } from 'express';
import { createClient } from 'redis';
import { createCache } from '../../lib/cache-aside/index.js';
import { rateLimit } from '../../lib/rate-limit/index.js';
import { type ResponseCacheOptions, responseCache } from '../../lib/response-cache/index.js';
import { dispatch } from '../../lib/response-cache/synthetic.js';
import { RedisSessionStore } from '../../lib/session/index.js';

const { REDIS_URL = '' } = process.env;
/** Of what costs microseconds, and of what costs a round trip or a request. */
const MANY = Number(process.env.MANY ?? 20_000);
const SOME = Number(process.env.SOME ?? 1_200);
const AT_ONCE = 200;
const MAX_BYTES = 2 ** 20;
const PATIENT = { deadlineMs: 60_000 };
const AN_HOUR = 3_600_000;

const client = createClient({ url: REDIS_URL });
client.on('error', () => {});
await client.connect();
const away = createClient({ url: REDIS_URL, disableOfflineQueue: true });

const quiet = console.warn;
console.warn = () => {};

const rows: Record<string, number> = {};

/** In bytes: what is held after it, while `keep` is alive. */
async function measure(
  name: string,
  count: number,
  flood: (i: number) => unknown,
  keep: unknown,
): Promise<void> {
  const before = await held();
  await inParallel(count, flood);
  rows[name] = (await held()) - before;
  // The collector may not take what is being measured.
  if (keep === undefined) throw new Error(name);
}

async function inParallel(count: number, act: (i: number) => unknown): Promise<void> {
  let next = 0;
  const work = async () => {
    for (let i = next++; i < count; i = next++) await act(i);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function held(): Promise<number> {
  await sleep(50);
  global.gc?.();
  await sleep(0);
  global.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const identity = (i: number) => `2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}00::/56`;

const alone = rateLimit({ windowMs: AN_HOUR, limit: 1, validate: false });
await measure('limiter in this process', MANY, (i) => alone.consume(identity(i)), alone);

const shared = rateLimit({ client, name: 'flood', windowMs: 60_000, limit: 1, ...PATIENT });
const takeTwice = async (i: number) => {
  await shared.consume(identity(i));
  await shared.consume(identity(i));
};
await measure('limiter on Redis, every client denied', SOME, takeTwice, shared);

const without = rateLimit({ client: away, name: 'flood', windowMs: AN_HOUR, limit: 1, blockMs: AN_HOUR });
await measure('limiter without its Redis', MANY, (i) => without.consume(identity(i)), without);

const values = createCache({ maxBytes: MAX_BYTES });
const load = (i: number) => values.getOrLoad(`user:${i}`, () => ({ id: i }), { tags: [`user-${i}`] });
await measure('cache-aside in this process', MANY, load, values);
await measure('cache-aside, tags purged', MANY, (i) => values.invalidateTags(`tag-${i}`), values);

const tiered = createCache({ client, namespace: 'flood', memory: { maxBytes: MAX_BYTES }, ...PATIENT });
const loadTwice = async (i: number) => {
  const get = () =>
    tiered.getOrLoad(`user:${i}`, () => ({ id: i, name: 'x'.repeat(500) }), { tags: [`user-${i}`] });
  await get();
  await get();
};
await tiered.getOrLoad('first', () => 1);
await sleep(500);
await measure('cache-aside on Redis with copies', SOME, loadTwice, tiered);

const orphaned = createCache({ client: away, namespace: 'flood' });
await measure('cache-aside without its Redis', MANY, (i) => orphaned.delete(`user:${i}`), orphaned);

async function pages(name: string, count: number, options: ResponseCacheOptions, answer: RequestHandler) {
  const cache = responseCache({ ...options, ...PATIENT });
  const app = express();
  app.use(cache as RequestHandler, answer);
  const get = (i: number) =>
    new Promise<void>((resolve) => {
      const headers = { host: 'shop.example' };
      dispatch(
        app,
        { url: `/${i}`, headers, remoteAddress: '127.0.0.1', isEncrypted: false, mark: {} },
        resolve,
      );
    });
  await get(-1);
  // The connection that copies in memory hear of changes on.
  if (options.memory !== undefined && options.client !== undefined) await sleep(500);
  await measure(name, count, get, cache);
}

const small: RequestHandler = (_req, res) => void res.set('Cache-Control', 'max-age=60').end('page');
const own: RequestHandler = (_req, res) => void res.set('Cache-Control', 'private').end('page');
const tagged: RequestHandler = (req, res) => {
  res.cacheTags(...Array.from({ length: 20 }, (_, i) => `tag-${i}-of-${req.url}`));
  res.set('Cache-Control', 'max-age=60').end('page');
};
const memory = { maxBytes: MAX_BYTES };
await pages('pages in this process', SOME, { memory }, small);
await pages('pages in this process, with tags', SOME, { memory, folderTags: true }, tagged);
await pages('pages that are not stored', SOME, { memory }, own);
await pages('pages on Redis', SOME, { client }, small);
await pages('pages on Redis with copies', SOME, { client, memory, namespace: 'copies' }, small);
await pages('pages without their Redis', SOME, { client: away }, small);

const store = new RedisSessionStore({
  client,
  prefix: 'flood:',
  userId: (it) => (it as { user?: string }).user,
  ...PATIENT,
});
const login = async (i: number) => {
  await store.get(`unknown-${i}`);
  await store.set(`id-${i}`, { cookie: { originalMaxAge: 60_000 }, user: `user-${i}` } as never);
};
await measure('sessions', SOME, login, store);

console.warn = quiet;
process.stdout.write(`${JSON.stringify(rows)}\n`);
client.destroy();
