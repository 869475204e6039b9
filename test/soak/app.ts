/** The app that is soaked: one route per feature and key, and what the process holds at this moment. */
import { readdirSync } from 'node:fs';
import express, { type Request } from 'express';
import { createCache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';

const LIVES_FOR_MS = 2_000;

async function main() {
  const client = await connectRedis({ url: process.env.REDIS_URL as string });
  const app = express();
  // Pages with a validator are kept to be validated, long after they are stale.
  app.disable('etag');

  app.get(
    '/rate-limit/:key',
    rateLimit({ client, name: 'soak', windowMs: LIVES_FOR_MS, limit: 3, keyGenerator: keyOf }),
    (_req, res) => void res.send('ok'),
  );
  app.get(
    '/session/:key',
    sessions({ client, secret: 'only for this test', cookie: { secure: false, maxAge: LIVES_FOR_MS } }),
    (req, res) => {
      Object.assign(req.session, { key: keyOf(req) });
      res.send('ok');
    },
  );
  app.get('/response-cache/:key', responseCache({ client, ttl: LIVES_FOR_MS }), (req, res) => {
    res.json({ key: keyOf(req) });
  });
  const cache = createCache({ client, namespace: 'soak', ttlMs: LIVES_FOR_MS });
  app.get('/cache-aside/:key', async (req, res) => {
    res.json(await cache.getOrLoad(keyOf(req), async () => ({ key: keyOf(req) })));
  });
  app.get('/held', (_req, res) => {
    // Twice: what the first one finalizes, the second one frees.
    globalThis.gc?.();
    globalThis.gc?.();
    const resources = process.getActiveResourcesInfo();
    res.json({
      heapBytes: process.memoryUsage().heapUsed,
      files: readdirSync('/proc/self/fd').length,
      timers: resources.filter((resource) => resource === 'Timeout').length,
      listeners: client
        .eventNames()
        .reduce((count, name) => count + client.listenerCount(name as 'error'), 0),
    });
  });

  const server = app.listen(0, '127.0.0.1', () => {
    process.stdout.write(`listening on ${(server.address() as { port: number }).port}\n`);
  });
}

function keyOf(req: Request): string {
  return String(req.params.key);
}

void main();
