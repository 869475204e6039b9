/** The app that faults are tried on: one route per feature, in a process of its own, so that an exit of it is seen. */
import express from 'express';
import { createCache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import { createClient } from 'redis';

let unhandled = 0;
process.on('unhandledRejection', (reason) => {
  unhandled += 1;
  console.error('unhandled rejection', reason);
});

async function main() {
  const url = process.env.REDIS_URL as string;
  // `plain` is a user who made a client as in the README of redis, and added no `error` listener.
  const client = process.env.CLIENT === 'plain' ? plainClient(url) : await connectRedis({ url });
  const app = express();

  app.get(
    '/rate-limit',
    rateLimit({ client, name: 'faults', limit: 1_000_000 }),
    (_req, res) => void res.send('ok'),
  );
  app.get(
    '/session',
    sessions({ client, secret: 'only for this test', cookie: { secure: false } }),
    (req, res) => {
      const session = req.session as unknown as { count?: number };
      session.count = (session.count ?? 0) + 1;
      res.json({ count: session.count });
    },
  );
  let version = 0;
  app.get('/response-cache', responseCache({ client, ttl: 100 }), (_req, res) => {
    version += 1;
    res.json({ version });
  });
  const cache = createCache({ client, namespace: 'faults' });
  app.get('/cache-aside', async (_req, res) => {
    res.json(await cache.getOrLoad('key', async () => ({ at: Date.now() }), { ttlMs: 100 }));
  });
  app.get('/block', (req, res) => {
    const end = performance.now() + Number(req.query.ms);
    while (performance.now() < end);
    res.send('blocked');
  });
  app.get('/unhandled', (_req, res) => void res.json(unhandled));

  const server = app.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as { port: number };
    process.stdout.write(`listening on ${port}\n`);
  });
}

function plainClient(url: string) {
  const client = createClient({ url });
  void client.connect().catch(() => {});
  return client;
}

void main();
