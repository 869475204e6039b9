// A process that uses a cache with copies in memory until it is told to close its client.
import { createClient } from 'redis';
import { createCache } from '../../lib/cache-aside/index.js';

const client = createClient({ url: process.argv[2] as string });
client.on('error', () => {});
await client.connect();
const cache = createCache({ client, namespace: 'once', memory: { maxBytes: 100_000 } });
await cache.getOrLoad('a', () => 1);
await new Promise((resolve) => setTimeout(resolve, 300));
await cache.getOrLoad('a', () => 1);

const untilTold = setInterval(() => {}, 1_000);
process.once('SIGUSR2', () => {
  clearInterval(untilTold);
  client.destroy();
});
console.log('ready');
