// bentocache, on Redis alone, or with its memory in front and its bus between processes (MEMORY=1).

import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis';
import { serveCache } from './app.mjs';

const { hostname, port, pathname } = new URL(process.env.BENCH_REDIS_URL ?? '');
const connection = { host: hostname, port: Number(port), db: Number(pathname.slice(1)) };
const onRedis = bentostore().useL2Layer(redisDriver({ connection }));
const inMemory = () =>
  onRedis.useL1Layer(memoryDriver({ maxSize: '64mb' })).useBus(redisBusDriver({ connection }));
const main = process.env.MEMORY ? inMemory() : onRedis;
const cache = new BentoCache({ default: 'main', stores: { main } });
serveCache((key, factory, lifetimeS) => cache.getOrSet({ key, factory, ttl: `${lifetimeS}s` }));
