// Real processes, for what one process cannot show: one load among them all, and what is left of one that dies.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { onTestEnd } from '../support/cleanup.js';
import { uniqueNamespace } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { openCache } from './support.js';
import type { Answer, Asked, Order } from './worker.js';

const KEY = 'user:42';
const MARK_MS = 1_500;
const LEASE_MS = 1_500;

class Worker {
  readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  static async start(namespace: string): Promise<Worker> {
    const settings = { url: sharedRedisUrl(), namespace, markMs: MARK_MS, leaseMs: LEASE_MS };
    const child = fork(join(__dirname, 'worker.ts'), [JSON.stringify(settings)], {
      execArgv: ['--import', 'tsx'],
    });
    onTestEnd(() => child.kill('SIGKILL'));
    const worker = new Worker(child);
    await worker.hears('ready');
    return worker;
  }

  tell(order: Exclude<Order, Question>): Promise<Answer> {
    this.child.send(order);
    return this.hears('commit' in order ? 'committed' : 'loading');
  }

  ask(order: Question): Promise<Asked> {
    this.child.send(order);
    return this.hears('asked') as Promise<Asked>;
  }

  /** The next message of a kind. */
  async hears(kind: Answer['is']): Promise<Answer> {
    const patience = AbortSignal.timeout(15_000);
    for (;;) {
      const [answer] = (await once(this.child, 'message', { signal: patience })) as [Answer];
      if (answer.is === kind) return answer;
    }
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }
}

type Question = Extract<Order, { ask: string }>;

const startWorkers = (namespace: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => Worker.start(namespace)));

const loadsOf = (asked: readonly Asked[]) => asked.reduce((sum, { loads }) => sum + loads, 0);

describe('several processes on one Redis', () => {
  let namespace: string;

  beforeEach(() => {
    namespace = uniqueNamespace();
  });

  it('run one load for 200 who ask in each of four at once for what has expired, ten times of ten', async () => {
    const workers = await startWorkers(namespace, 4);
    const { cache } = await openCache(namespace);
    const loads: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const key = `user:${round}`;
      await cache.set(key, 'of yesterday', { ttlMs: 30 });
      await until(async () => (await cache.get(key)) === undefined);
      const asked = await Promise.all(
        workers.map((worker) => worker.ask({ ask: key, times: 200, loadMs: 100 })),
      );
      loads.push(loadsOf(asked));
      const values = asked.flatMap((each) => each.values);
      expect(values.length).toBe(800);
      expect(new Set(values).size).toBe(1);
    }
    expect(loads).toEqual(Array.from({ length: 10 }, () => 1));
  });

  it('run two loads when the process that loads is killed in the middle of it', async () => {
    const workers = await startWorkers(namespace, 4);
    const asking = workers.map(async (worker) => {
      const asked = worker.ask({ ask: KEY, times: 200, loadMs: 500 });
      // Of the one that is killed, nothing is heard any more.
      return Promise.race([asked, once(worker.child, 'exit').then(() => undefined)]);
    });
    const loader = await Promise.race(workers.map((worker) => worker.hears('begun').then(() => worker)));
    await loader.kill();
    const asked = (await Promise.all(asking)).filter((each) => each !== undefined);
    expect(asked.length).toBe(3);
    expect(loadsOf(asked)).toBe(1);
    expect(new Set(asked.flatMap(({ values }) => values)).size).toBe(1);
    expect(asked.flatMap(({ values }) => values).length).toBe(600);
  });

  it('tell all who asked what the load failed with, after one load in each process at most', async () => {
    const workers = await startWorkers(namespace, 4);
    const question = { ask: KEY, times: 200, loadMs: 50, fails: true };
    const asked = await Promise.all(workers.map((worker) => worker.ask(question)));
    expect(asked.flatMap(({ values }) => values)).toEqual([]);
    const errors = asked.flatMap((each) => each.errors);
    expect(errors.length).toBe(800);
    expect(new Set(errors)).toEqual(new Set(['the database is away']));
    expect(loadsOf(asked)).toBeLessThanOrEqual(4);
  });

  describe('where a stale value may stand in', () => {
    const options = { ttlMs: 30, staleMs: 60_000, softTimeoutMs: 100 };

    async function askWhenStale(question: Partial<Question>): Promise<readonly Asked[]> {
      const workers = await startWorkers(namespace, 4);
      const { cache } = await openCache(namespace);
      await cache.set(KEY, 'stale', options);
      await until(async () => (await cache.get(KEY)) === undefined);
      const whole = { ask: KEY, times: 200, loadMs: 50, options, ...question };
      return Promise.all(workers.map((worker) => worker.ask(whole)));
    }

    it('are served it within the soft timeout, however slow the one load is', async () => {
      const asked = await askWhenStale({ loadMs: 10_000 });
      expect(asked.flatMap(({ values }) => values)).toEqual(Array(800).fill('stale'));
      expect(loadsOf(asked)).toBe(1);
      for (const { tookMs } of asked) expect(tookMs).toBeLessThan(options.softTimeoutMs + 3_000);
    });

    it('are served it when the load fails', async () => {
      const asked = await askWhenStale({ fails: true });
      expect(asked.flatMap(({ values }) => values)).toEqual(Array(800).fill('stale'));
      expect(asked.flatMap(({ errors }) => errors)).toEqual([]);
    });
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
