// Several real processes on one key: together they admit exactly the limit, in any window.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from '@jest/globals';
import { onTestEnd } from '../support/cleanup.js';
import { uniqueNamespace } from '../support/redis.js';
import { sharedRedisUrl } from '../support/redis-server.js';

interface Outcome {
  readonly accepted: number[];
  readonly usedAtDenials: number[];
  readonly missed: number;
}

const HITS = join(__dirname, 'hits.mts');

async function hitFrom(processes: number, windowMs: number, limit: number, hits: number): Promise<Outcome> {
  const args = [sharedRedisUrl(), uniqueNamespace(), windowMs, limit, hits].map(String);
  const children = Array.from({ length: processes }, () => start(args));
  const readers = children.map((child) => createInterface({ input: child.stdout as NodeJS.ReadableStream }));
  const died = new Promise<never>((_resolve, reject) => {
    for (const child of children)
      child.once('exit', (code) => code && reject(new Error(`a process ended with ${code}`)));
  });
  const lines = () => Promise.all(readers.map((reader) => Promise.race([once(reader, 'line'), died])));
  await lines();
  const reports = lines();
  for (const child of children) child.stdin?.write('go\n');
  const outcomes = (await reports).map(([line]) => JSON.parse(String(line)) as Outcome);
  return {
    accepted: outcomes.flatMap(({ accepted }) => accepted).toSorted((one, other) => one - other),
    usedAtDenials: outcomes.flatMap(({ usedAtDenials }) => usedAtDenials),
    missed: outcomes.reduce((sum, { missed }) => sum + missed, 0),
  };
}

function start(args: string[]): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', HITS, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  onTestEnd(() => child.kill('SIGKILL'));
  return child;
}

/** The most of `times`, in order, that lie in one (t - w, t]. */
function mostInAnyWindow(times: readonly number[], windowMicros: number): number {
  let most = 0;
  let oldest = 0;
  for (const [index, time] of times.entries()) {
    while ((times[oldest] as number) <= time - windowMicros) oldest += 1;
    most = Math.max(most, index - oldest + 1);
  }
  return most;
}

describe('Four processes on one key', () => {
  test('admit exactly the limit of 1,200 requests within a window', async () => {
    const { accepted, usedAtDenials, missed } = await hitFrom(4, 60_000, 100, 300);
    expect(missed).toBe(0);
    expect(accepted).toHaveLength(100);
    expect(new Set(accepted).size).toBe(100);
    expect(usedAtDenials.every((used) => used === 100)).toBe(true);
  }, 60_000);

  test('admit at most the limit in any window, and reject only when it is full', async () => {
    const windowMs = 60;
    const { accepted, usedAtDenials, missed } = await hitFrom(4, windowMs, 100, 900);
    expect(missed).toBe(0);
    expect(accepted.length).toBeGreaterThan(100);
    expect(mostInAnyWindow(accepted, windowMs * 1000)).toBe(100);
    expect(usedAtDenials.length).toBeGreaterThan(0);
    expect(usedAtDenials.every((used) => used === 100)).toBe(true);
  }, 60_000);
});
