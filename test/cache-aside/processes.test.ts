// Real processes, for what one process cannot show: one load among them all, and what is left of one that dies.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { onTestEnd } from '../support/cleanup.js';
import { uniqueNamespace } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';
import { openCache } from './support.js';
import type { Answer, Order } from './worker.js';

const KEY = 'user:42';
const MARK_MS = 1_500;
const LEASE_MS = 1_500;

class Worker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(namespace: string): Promise<Worker> {
    const settings = { url: sharedRedisUrl(), namespace, markMs: MARK_MS, leaseMs: LEASE_MS };
    const child = fork(join(__dirname, 'worker.ts'), [JSON.stringify(settings)], {
      execArgv: ['--import', 'tsx'],
    });
    onTestEnd(() => child.kill('SIGKILL'));
    const worker = new Worker(child);
    await worker.#answer();
    return worker;
  }

  tell(order: Order): Promise<Answer> {
    this.#child.send(order);
    return this.#answer();
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  async #answer(): Promise<Answer> {
    const [answer] = (await once(this.#child, 'message', { signal: AbortSignal.timeout(15_000) })) as [
      Answer,
    ];
    return answer;
  }
}

describe('several processes on one Redis', () => {
  let namespace: string;

  beforeEach(() => {
    namespace = uniqueNamespace();
  });

  it('run one load for 50 who ask in each of three at once', async () => {
    const workers = await Promise.all([1, 2, 3].map(() => Worker.start(namespace)));
    const answers = await Promise.all(
      workers.map((worker) => worker.tell({ ask: KEY, times: 50, loadMs: 200 })),
    );
    const asked = answers.map((answer) => {
      if (answer.is !== 'asked') throw new Error(`unexpected answer: ${answer.is}`);
      return answer;
    });
    expect(asked.reduce((sum, { loads }) => sum + loads, 0)).toBe(1);
    expect(new Set(asked.flatMap(({ values }) => values)).size).toBe(1);
  });

  it('lose one lease when a process dies while it loads', async () => {
    const worker = await Worker.start(namespace);
    const { cache } = await openCache(namespace);
    expect(await worker.tell({ load: KEY })).toEqual({ is: 'loading' });
    await worker.kill();
    const startedAt = performance.now();
    expect(await cache.getOrLoad(KEY, () => 'loaded')).toBe('loaded');
    expect(performance.now() - startedAt).toBeLessThan(LEASE_MS + 2_000);
    expect(await cache.get(KEY)).toBe('loaded');
  });

  it('never see the old value of a writer that died after its commit, and cache again after its mark', async () => {
    const worker = await Worker.start(namespace);
    const { cache } = await openCache(namespace);
    await cache.set(KEY, 'old');
    expect(await worker.tell({ commit: KEY })).toEqual({ is: 'committed' });
    await worker.kill();
    expect(await cache.get(KEY)).toBeUndefined();
    expect(await cache.getOrLoad(KEY, () => 'new')).toBe('new');
    await sleep(MARK_MS + 100);
    expect(await cache.get(KEY)).toBeUndefined();
    await cache.getOrLoad(KEY, () => 'new');
    expect(await cache.get(KEY)).toBe('new');
  });
});
