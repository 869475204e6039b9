/** A user's script: everything made and used once, then the client closed. It must end by itself, with Redis dead too. */

import * as suite from 'express-redis-suite';
import { collectMetrics } from 'express-redis-suite/metrics';

async function main() {
  const client = await suite.connectRedis({ url: process.env.REDIS_URL as string });
  collectMetrics();

  const limiter = suite.rateLimit({ client, name: 'script', limit: 10 });
  const { token } = await limiter.consume('somebody');
  if (token) await limiter.refund(token);

  const store = new suite.RedisSessionStore({ client, prefix: 'script:' });
  const session = { cookie: { originalMaxAge: 60_000 } } as Parameters<typeof store.set>[1];
  await store.set('id', session).catch(() => {});
  await store.get('id').catch(() => {});
  suite.sessions({ client, secret: 'of no use' });

  const cache = suite.createCache({ client, namespace: 'script' });
  await cache.getOrLoad('key', () => 1);
  await cache.write('key', () => 2);
  await suite
    .responseCache({ client })
    .purge('http://localhost/')
    .catch(() => {});

  client.destroy();
  process.stdout.write('closed\n');
}

void main();
