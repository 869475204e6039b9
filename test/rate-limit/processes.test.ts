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

/** HITS is the size of a run by hand: `npm run exactness` sends 2,000 from each of 8 processes. */
const PROCESSES = Number(process.env.PROCESSES ?? 4);
const HITS_EACH = Number(process.env.HITS ?? 500);
const HOUR_MS = 3_600_000;

async function hitFrom(windowMs: number, limit: number, hits: number): Promise<Outcome> {
  const args = [sharedRedisUrl(), uniqueNamespace(), windowMs, limit, hits].map(String);
  // Clocks an hour slow, an hour fast, and right.
  const children = Array.from({ length: PROCESSES }, (_, index) =>
    start([...args, String(((index % 3) - 1) * HOUR_MS)]),
  );
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

function report(what: string, { accepted, usedAtDenials }: Outcome, most: number): void {
  process.stdout.write(
    `${PROCESSES} processes x ${HITS_EACH} hits, ${what}: ${accepted.length} accepted, at most ${most} in a window, ` +
      `${usedAtDenials.length} denials asked of Redis, all at ${[...new Set(usedAtDenials)].join(' or ')} live\n`,
  );
}

describe('Several processes on one key, whose clocks are an hour apart', () => {
  const withinMs = 60_000 + HITS_EACH * 50;

  test(
    'admit exactly the limit within a window',
    async () => {
      const outcome = await hitFrom(120_000, 100, HITS_EACH);
      const { accepted, usedAtDenials, missed } = outcome;
      report('100 in 2 min', outcome, mostInAnyWindow(accepted, 120_000_000));
      expect(missed).toBe(0);
      expect(accepted).toHaveLength(100);
      expect(new Set(accepted).size).toBe(100);
      expect(usedAtDenials.every((used) => used === 100)).toBe(true);
    },
    withinMs,
  );

  test(
    'admit at most the limit in any window, and reject only when it is full',
    async () => {
      const windowMs = 60;
      const outcome = await hitFrom(windowMs, 100, HITS_EACH);
      const { accepted, usedAtDenials, missed } = outcome;
      const most = mostInAnyWindow(accepted, windowMs * 1000);
      report('bursts across the ends of windows of 60 ms, limit 100', outcome, most);
      expect(missed).toBe(0);
      expect(accepted.length).toBeGreaterThan(100);
      expect(most).toBe(100);
      expect(usedAtDenials.length).toBeGreaterThan(0);
      expect(usedAtDenials.every((used) => used === 100)).toBe(true);
    },
    withinMs,
  );
});
