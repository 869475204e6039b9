/** A user's script: everything made and used once, then the client closed. It must end by itself. */
import { connectRedis } from 'express-redis-suite/redis';
import { guardRedis } from '../../lib/core/guard.js';

async function main() {
  const client = await connectRedis({ url: process.env.REDIS_URL as string });
  const guard = guardRedis(client, { feature: 'script', deadlineMs: 100 });
  await guard.run((redis) => redis.get('key')).catch(() => {});
  client.destroy();
  process.stdout.write('closed\n');
}

void main();
