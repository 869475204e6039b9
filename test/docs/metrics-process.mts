/** Runs a snippet of docs/metrics.md, given as a path, with what the page takes for granted, and serves its app. */
import type { AddressInfo } from 'node:net';
import express from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { connectRedis } from 'express-redis-suite/redis';

const app = express();
const lines: string[] = [];
Object.assign(globalThis, { app, log: (line: string) => lines.push(line) });
await import(process.argv[2] as string);

const client = await connectRedis({ url: process.env.REDIS_URL as string });
app.get('/limited', rateLimit({ client, name: 'api' }), (_req, res) => void res.send('passed'));
app.get('/lines', (_req, res) => void res.json(lines));
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
