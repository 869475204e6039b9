// Several processes with one site behind caches on one Redis.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { ResponseCacheOptions } from 'express-redis-suite/response-cache';
import { onTestEnd } from '../support/cleanup.js';
import { type Served, talkTo } from '../support/http.js';
import { uniqueNamespace } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';
import type { Message } from './worker.js';

export interface Ship extends Served {
  readonly child: ChildProcess;
}

export interface Fleet {
  readonly ships: readonly Ship[];
  /** Who ran its handler, in order. */
  readonly runs: { readonly by: Ship; readonly path: string }[];
  /** Resolves when handlers ran `count` times in all. */
  ran(count: number): Promise<void>;
}

export async function startFleet(size: number, options: ResponseCacheOptions = {}): Promise<Fleet> {
  const settings = { url: sharedRedisUrl(), namespace: uniqueNamespace(), ...options };
  const runs: Fleet['runs'] = [];
  const listeners = new Set<() => void>();
  const ships = await Promise.all(Array.from({ length: size }, launch));

  async function launch(): Promise<Ship> {
    const child = fork(join(__dirname, 'worker.ts'), [JSON.stringify(settings)], {
      execArgv: ['--import', 'tsx'],
    });
    onTestEnd(() => child.kill('SIGKILL'));
    const [{ port }] = await once(child, 'message', { signal: AbortSignal.timeout(30_000) });
    // One Host for all, as behind a load balancer: the page is the same.
    const served = talkTo(`http://127.0.0.1:${port}`);
    const get: Served['get'] = (path, headers) => served.get(path, { host: 'shop.example', ...headers });
    const ship = { ...served, get, child };
    child.on('message', (message: Message) => {
      if (!('ran' in message)) return;
      runs.push({ by: ship, path: message.ran });
      for (const listener of listeners) listener();
    });
    return ship;
  }

  return {
    ships,
    runs,
    ran: (count) =>
      new Promise((resolve) => {
        function look() {
          if (runs.length < count) return;
          listeners.delete(look);
          resolve();
        }
        listeners.add(look);
        look();
      }),
  };
}
