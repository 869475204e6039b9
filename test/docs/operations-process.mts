/** Runs a snippet of docs/operations.md, given as a path, with what the page takes for granted, and serves its app. */

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { connectRedis } from 'express-redis-suite/redis';

const app = express();
const client = await connectRedis({ url: process.env.REDIS_URL as string });
const server = http.createServer(app);
const sql = async () => {
  if (process.env.POSTGRES === 'down') throw new Error('connection refused');
  return [];
};

app.get('/slow', (_req, res) => void setTimeout(() => client.ping().then((pong) => res.send(pong)), 300));
app.get('/pid', (_req, res) => void res.send(String(process.pid)));
Object.assign(globalThis, { app, client, once, server, sql });
await import(process.argv[2] as string);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
