/** A server of pages behind the response cache, in this process, and requests to it from another. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { responseCache } from 'express-redis-suite/response-cache';
import { startLoadSender } from '../processes.js';
import { rawGet } from '../raw-get.js';
import { type Bench, openBench } from './cost.js';

const HOST = 'bench.example';
const MOST_BYTES = 32 * 1024 * 1024;

export interface Shop {
  readonly bench: Bench;
  readonly cache: ReturnType<typeof responseCache>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<void>;
  end(): Promise<void>;
}

type Answer = Readonly<{ bytes?: number; vary?: string; tags?: readonly string[] }>;

export const urlOf = (path: string): string => `http://${HOST}${path}`;
export const keyOf = (path: string): string => `page:{${urlOf(path)}}`;

/** @param answer what the page at a path is like */
export async function openShop(
  redisUrl: string,
  answer: (path: string) => Answer = () => ({}),
): Promise<Shop> {
  const bench = await openBench(redisUrl);
  const { client } = bench;
  const cache = responseCache({ client, deadlineMs: 60_000, beta: 0, maxBodyBytes: MOST_BYTES });
  const server = http.createServer((req, res) =>
    cache(req, res, () => {
      const { bytes = 1_024, vary, tags = [] } = answer(req.url ?? '');
      res.setHeader('Cache-Control', 'public, max-age=3600');
      if (vary !== undefined) res.setHeader('Vary', vary);
      (res as never as { cacheTags(...tags: readonly string[]): void }).cacheTags(...tags);
      res.setHeader('Content-Length', bytes);
      res.end(bodyOf(bytes));
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const load = startLoadSender();
  return {
    bench,
    cache,
    async get(path, headers) {
      const requests = [rawGet(path, { Host: HOST, ...headers })];
      const { statuses } = await load.send({ port, requests, count: 1, connections: 1 });
      if (statuses[200] !== 1) throw new Error(`${path}: ${JSON.stringify(statuses)}`);
    },
    async end() {
      load.stop();
      server.closeAllConnections();
      server.close();
      await bench.end();
    },
  };
}

const bodies = new Map<number, Buffer>();

function bodyOf(bytes: number): Buffer {
  const body = bodies.get(bytes) ?? Buffer.alloc(bytes, 'x');
  bodies.set(bytes, body);
  return body;
}
