/** Serves what a snippet of docs/cache-aside.md exports: `/<name>?arguments=[1]` calls it and answers with its result. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCache } from 'express-redis-suite/cache-aside';
import { connectRedis } from 'express-redis-suite/redis';
import postgres from 'postgres';

const client = await connectRedis({ url: process.env.REDIS_URL as string });
const sql = postgres(process.env.DATABASE_URL as string, { max: 4, onnotice: () => {} });
let slowMs = 0;
let reports = 0;

Object.assign(globalThis, {
  client,
  sql,
  cache: createCache({ client, namespace: 'shop' }),
  async slowReport() {
    reports += 1;
    const report = `report ${reports}`;
    return sleep(slowMs, report);
  },
});
const snippet = await import(process.argv[2] as string);

const own: Readonly<Record<string, (...args: never[]) => unknown>> = {
  query: (text: string) => sql.unsafe(text),
  slowDown: (ms: number) => {
    slowMs = ms;
  },
};

const server = http.createServer(async function call(req, res) {
  const { pathname, searchParams } = new URL(req.url ?? '/', 'http://localhost');
  const name = pathname.slice(1);
  const act = own[name] ?? snippet[name];
  const result = await act(...JSON.parse(searchParams.get('arguments') ?? '[]'));
  res.setHeader('content-type', 'application/json').end(JSON.stringify(result ?? null));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
