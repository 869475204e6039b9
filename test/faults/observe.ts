/** Loaded into an app before anything else: counts what nobody handled, notes when it stood still, and blocks it when asked to. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Stall, watchStalls } from './stalls.js';

export interface Observed {
  /** Rejections that nobody handled; without a listener each would have ended the process. */
  readonly unhandled: number;
  readonly stalls: readonly Stall[];
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
  res.end(JSON.stringify({ unhandled, stalls } satisfies Observed));
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`observed on ${(server.address() as AddressInfo).port}\n`);
});
server.unref();
