/** Runs one side of a diff of docs/migrating.md, given as a path, with what the page takes for granted. */
import type { AddressInfo } from 'node:net';
import express from 'express';
import { connectRedis } from 'express-redis-suite/redis';

let runs = 0;
const names = new Map([[1, 'Ada']]);
const db = {
  async findUser(id: number) {
    runs += 1;
    return names.has(id) ? { id, name: names.get(id) } : null;
  },
  renameUser: async (id: number, name: string) => void names.set(id, name),
};

Object.assign(globalThis, {
  client: await connectRedis({ url: process.env.REDIS_URL as string }),
  report: async () => ({ run: ++runs }),
  db,
});
const snippet = await import(process.argv[2] as string);

const app: express.Express = snippet.app ?? express();
app.get('/users/:id', async (req, res) => {
  res.json({ user: await snippet.readUser(Number(req.params.id)), runs });
});
app.get('/users/:id/rename/:name', async (req, res) => {
  await snippet.renameUser(Number(req.params.id), req.params.name);
  res.end();
});
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
