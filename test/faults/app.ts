/** The small app that faults are tried on: one route per feature and key, and one for big pages. */
import express, { type Request } from 'express';
import { createCache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { responseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import { type ClientKind, openClient } from './clients.js';

const LIVES_FOR_MS = 100;
const A_MEGABYTE = 2 ** 20;

async function main() {
  const { CLIENT = 'connectRedis', REDIS_URL = '', REDIS_PORTS = '' } = process.env;
  const ports = REDIS_PORTS.split(',').filter(Boolean).map(Number);
  const client = await openClient(CLIENT as ClientKind, REDIS_URL, ports);
  const app = express();

  app.get('/nothing', (_req, res) => void res.send('ok'));
  app.get(
    '/rate-limit/:key',
    rateLimit({ client, name: 'faults', limit: 1_000_000, keyGenerator: keyOf }),
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
  app.get('/response-cache/:key', responseCache({ client, ttl: LIVES_FOR_MS }), (_req, res) => {
    version += 1;
    res.json({ version });
  });
  const big = responseCache({ client, ttl: LIVES_FOR_MS, maxBodyBytes: 2 * A_MEGABYTE });
  app.get('/big/:key', big, (_req, res) => void res.send('x'.repeat(A_MEGABYTE)));
  const cache = createCache({ client, namespace: 'faults' });
  app.get('/cache-aside/:key', async (req, res) => {
    res.json(await cache.getOrLoad(keyOf(req), async () => ({ at: Date.now() }), { ttlMs: LIVES_FOR_MS }));
  });

  const server = app.listen(0, '127.0.0.1', () => {
    process.stdout.write(`listening on ${(server.address() as { port: number }).port}\n`);
  });
}

function keyOf(req: Request): string {
  return String(req.params.key);
}

void main();
