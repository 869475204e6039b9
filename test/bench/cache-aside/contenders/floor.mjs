// What a hit costs at least: one GET and JSON.parse, on a client without a timer for each command.

import { createClient } from 'redis';
import { serveCache } from './app.mjs';

const connected = await createClient({ url: process.env.BENCH_REDIS_URL }).connect();
const client = connected.withCommandOptions({ timeout: undefined });
serveCache(async function getOrLoad(key, load, lifetimeS) {
  const text = await client.get(`floor:${key}`);
  if (text !== null) return JSON.parse(text);
  const value = await load();
  await client.set(`floor:${key}`, JSON.stringify(value), { EX: lifetimeS });
  return value;
});
