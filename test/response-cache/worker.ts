// A process of its own with a site behind the cache; it tells over IPC whenever its handler runs.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { createClient } from 'redis';
import { responseCache } from '../../lib/response-cache/index.js';

export type Message = { readonly port: number } | { readonly ran: string } | { readonly purged: string };

const tell = (message: Message) => process.send?.(message);

/** `/any?ms=100&drip=50&age=60&as=private`: answers after `ms`, for `drip`, with `Cache-Control: private, max-age=60`. */
function site(cache: express.RequestHandler): express.Express {
  const app = express();
  let runs = 0;
  app.use(cache);
  app.use(async (req, res) => {
    const { ms = 0, age = 60, as = '', vary, swr, drip = 0 } = req.query;
    runs += 1;
    const run = runs;
    tell({ ran: req.path });
    await sleep(Number(ms));
    if (vary !== undefined) res.setHeader('Vary', String(vary));
    const directives = [as, `max-age=${age}`, swr && `stale-while-revalidate=${swr}`];
    res.setHeader('Cache-Control', directives.filter(Boolean).join(', '));
    res.write(`${process.pid}, `);
    await sleep(Number(drip));
    res.end(`run ${run}`);
  });
  return app;
}

async function work(): Promise<void> {
  const { url, ...options } = JSON.parse(process.argv[2] ?? '{}');
  const client = createClient({ url });
  client.on('error', () => {});
  await client.connect();
  const cache = responseCache({ deadlineMs: 5_000, ...options, client });
  const server = http.createServer(site(cache as express.RequestHandler));
  server.listen(0, '127.0.0.1', () => tell({ port: (server.address() as AddressInfo).port }));
  process.on('message', async ({ purge }: { purge: string }) => {
    await cache.purge(purge);
    tell({ purged: purge });
  });
  process.on('disconnect', () => process.exit());
}

work();
