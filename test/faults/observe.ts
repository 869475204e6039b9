/** Loaded into an app before anything else: counts what nobody handled, notes when it stood still, and blocks it when asked to. */
import { subscribe } from 'node:diagnostics_channel';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Stall, watchStalls } from './stalls.js';

export interface Observed {
  /** Rejections that nobody handled; without a listener each would have ended the process. */
  readonly unhandled: number;
  readonly stalls: readonly Stall[];
  /** How many requests have arrived so far. */
  readonly requests: number;
}

let unhandled = 0;
process.on('unhandledRejection', (reason) => {
  unhandled += 1;
  console.error('unhandled rejection', reason);
});
const { stalls } = watchStalls();

const server = http.createServer((req, res) => {
  const blockMs = Number(/^\/block\/(\d+)$/.exec(req.url ?? '')?.[1] ?? 0);
  const end = performance.now() + blockMs;
  while (performance.now() < end);
  res.end(JSON.stringify({ unhandled, stalls, requests } satisfies Observed));
});
let requests = 0;
subscribe('http.server.request.start', (message) => {
  if ((message as { server: unknown }).server !== server) requests += 1;
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`observed on ${(server.address() as AddressInfo).port}\n`);
});
server.unref();
