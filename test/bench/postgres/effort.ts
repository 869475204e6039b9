/** What one way of answering costs: how long one takes, how many a second, and whose CPU it takes. */
import { readdirSync, readFileSync } from 'node:fs';
import type { RedisClient } from '../../../demo-app/database/redis.js';
import { type Spread, spreadOf } from '../statistics.js';

/** One answer, as a handler would get it. */
export interface Way {
  readonly query: string;
  readonly way: string;
  run(): Promise<unknown>;
}

export interface Cost {
  readonly way: Way;
  /** One after the other. */
  readonly oneMs: Spread;
  readonly slowestMs: number;
  /** Sixteen at a time. */
  readonly perSecond: Spread;
  /** Of one answer, in microseconds, sixteen at a time. Postgres': undefined where there is no /proc. */
  readonly cpuMicros: { readonly app: number; readonly postgres: number | undefined; readonly redis: number };
}

export interface Servers {
  readonly redis: RedisClient;
  readonly postgresPid: number;
}

const AT_A_TIME = 16;
const SHARE_MS = 400;
const MOST = 2_000;
const TICK_MICROS = 10_000;

/** In turns, A B C A B C, so that all meet the machine's moods alike. */
export async function costsOf(ways: readonly Way[], rounds: number, servers: Servers): Promise<Cost[]> {
  const takes = ways.map(() => ({
    oneMs: [] as number[],
    perSecond: [] as number[],
    cpu: emptyCpu(),
    answers: 0,
  }));
  const counts: number[] = [];
  for (const { run } of ways) {
    for (let warmUp = 0; warmUp < 3; warmUp += 1) await run();
    const tookMs = await durationOf(run);
    counts.push(Math.min(MOST, Math.max(3, Math.round(SHARE_MS / tookMs))));
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) {
      const take = takes[index] as (typeof takes)[number];
      const count = counts[index] as number;
      for (let done = 0; done < count; done += 1) take.oneMs.push(await durationOf(way.run));
      const answers = Math.max(count, AT_A_TIME);
      const before = await cpuOf(servers);
      const tookMs = await durationOf(() => manyAtATime(way, answers));
      const after = await cpuOf(servers);
      take.perSecond.push((answers / tookMs) * 1000);
      take.answers += answers;
      for (const who of ['app', 'postgres', 'redis'] as const) take.cpu[who] += after[who] - before[who];
    }
  }
  return ways.map((way, index) => {
    const { oneMs, perSecond, cpu, answers } = takes[index] as (typeof takes)[number];
    const each = { app: cpu.app / answers, postgres: cpu.postgres / answers, redis: cpu.redis / answers };
    const cpuMicros = { ...each, postgres: Number.isNaN(each.postgres) ? undefined : each.postgres };
    return {
      way,
      oneMs: spreadOf(oneMs),
      slowestMs: Math.max(...oneMs),
      perSecond: spreadOf(perSecond),
      cpuMicros,
    };
  });
}

async function durationOf(act: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await act();
  return performance.now() - began;
}

async function manyAtATime({ run }: Way, count: number): Promise<void> {
  let left = count;
  async function keepAsking() {
    while (left > 0) {
      left -= 1;
      await run();
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, keepAsking));
}

function emptyCpu() {
  return { app: 0, postgres: 0, redis: 0 };
}

/** Spent so far, in microseconds. */
async function cpuOf({ redis, postgresPid }: Servers): Promise<ReturnType<typeof emptyCpu>> {
  const { user, system } = process.cpuUsage();
  const info = await redis.info('cpu');
  const seconds = [...info.matchAll(/^used_cpu_(?:sys|user):([\d.]+)/gm)].map(([, each]) => Number(each));
  return {
    app: user + system,
    postgres: postgresCpuMicros(postgresPid),
    redis: 1e6 * seconds.reduce((sum, each) => sum + each, 0),
  };
}

/** Of the server, its processes, and those that have ended, such as parallel workers; NaN where there is no /proc. */
function postgresCpuMicros(postmaster: number): number {
  try {
    const ticks = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(ticksOf)
      .filter(({ pid, parent }) => pid === postmaster || parent === postmaster)
      .map(({ pid, own, ended }) => own + (pid === postmaster ? ended : 0));
    return ticks.reduce((sum, each) => sum + each, 0) * TICK_MICROS;
  } catch {
    return Number.NaN;
  }
}

/** See proc(5): after the name in parentheses, the 2nd field is the parent, the 12th to 15th are times in ticks. */
function ticksOf(name: string) {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
    return { pid: Number(name), parent: fields[1], own: user + system, ended: endedUser + endedSystem };
  } catch {
    // It has just ended.
    return { pid: 0, parent: 0, own: 0, ended: 0 };
  }
}
