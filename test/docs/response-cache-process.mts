/** Runs a snippet of docs/response-cache.md, given as a path, with what the page takes for granted, and serves its app. */
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { connectRedis } from 'express-redis-suite/redis';

const app = express();
let runs = 0;

Object.assign(globalThis, {
  app,
  client: await connectRedis({ url: process.env.REDIS_URL as string }),
  report: async () => ({ run: ++runs }),
  userOf: (req: IncomingMessage) => {
    const id = req.headers.authorization;
    return id === undefined ? undefined : { id };
  },
});
const snippet = await import(process.argv[2] as string);

const server = (snippet.app ?? app).listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
