// The pattern as everyone writes it: get, load, set.

import { createClient } from 'redis';
import { serveCache } from './app.mjs';

const client = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();
serveCache(async function getOrLoad(key, load, lifetimeS) {
  const text = await client.get(`textbook:${key}`);
  if (text !== null) return JSON.parse(text);
  const value = await load();
  await client.set(`textbook:${key}`, JSON.stringify(value), { EX: lifetimeS });
  return value;
});
