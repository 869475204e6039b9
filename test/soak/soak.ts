/** Soaks an app: many keys, many restarts of its Redis, and what it holds before, meanwhile and after. */
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveProgram } from '../support/program.js';
import { ask } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const FEATURES = ['rate-limit', 'session', 'response-cache', 'cache-aside'];
const CONNECTIONS = 16;
const SAMPLES = 40;
const DOWN_MS = 50;
/** The keys live for two seconds; a limiter's for two windows and a second. */
const KEYS_GONE_WITHIN_MS = 20_000;

export interface Held {
  /** After a garbage collection. */
  readonly heapBytes: number;
  readonly files: number;
  readonly timers: number;
  readonly listeners: number;
  readonly redisBytes: number;
  readonly redisKeys: number;
}

export interface Soaked {
  readonly requests: number;
  readonly restarts: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** At rest, before and after. */
  readonly before: Held;
  readonly after: Held;
  /** Under load, in even steps. */
  readonly samples: readonly Held[];
}

interface Load {
  readonly minutes: number;
  /** Distinct ones, shared out among the features. */
  readonly keys: number;
  readonly restarts: number;
}

export interface Effort extends Load {
  /** Until every map that has a bound has reached it, and what runs often is compiled. */
  readonly warmUp: Load;
}

export async function soak({ warmUp, ...effort }: Effort): Promise<Soaked> {
  const redis = await RedisServer.start();
  const app = await startApp(redis.url);
  const held = async (): Promise<Held> => ({ ...(await app.held()), ...(await heldBy(redis)) });

  await bear(warmUp, 0);
  const before = await atRest();
  const samples: Held[] = [];
  let isOver = false;
  const sampling = keepSampling();
  const statuses = await bear(effort, warmUp.keys);
  isOver = true;
  await sampling;
  const after = await atRest();
  return { requests: effort.keys, restarts: effort.restarts, statuses, before, after, samples };

  async function bear({ minutes, keys, restarts }: Load, from: number): Promise<Record<string, number>> {
    const durationMs = minutes * 60_000;
    const [statuses] = await Promise.all([
      app.visit(keys, from, durationMs),
      restartOften(redis, restarts, durationMs),
    ]);
    return statuses;
  }

  async function atRest(): Promise<Held> {
    await until(async () => (await heldBy(redis)).redisKeys === 0, KEYS_GONE_WITHIN_MS);
    return held();
  }

  /** Seconds apart at least: each costs the app two whole garbage collections. */
  async function keepSampling(): Promise<void> {
    const pauseMs = Math.max(2_000, (effort.minutes * 60_000) / SAMPLES);
    for (;;) {
      await sleep(pauseMs);
      if (isOver) return;
      // In the middle of a restart there is nobody to ask.
      const now = await held().catch(() => undefined);
      if (now !== undefined) samples.push(now);
    }
  }
}

async function restartOften(redis: RedisServer, restarts: number, durationMs: number): Promise<void> {
  const startedAt = performance.now();
  for (let restart = 0; restart < restarts; restart += 1) {
    await sleep(Math.max(0, startedAt + (durationMs * restart) / restarts - performance.now()));
    await redis.kill();
    await sleep(DOWN_MS);
    await redis.restart();
  }
}

/** The least-squares slope over the second half of the samples, per sample. */
export function slopeOf(samples: readonly Held[], what: keyof Held): number {
  const values = samples.slice(Math.floor(samples.length / 2)).map((sample) => sample[what]);
  const meanX = (values.length - 1) / 2;
  const meanY = values.reduce((sum, value) => sum + value, 0) / values.length;
  let [above, below] = [0, 0];
  for (const [x, value] of values.entries()) {
    above += (x - meanX) * (value - meanY);
    below += (x - meanX) ** 2;
  }
  return above / below;
}

async function heldBy(redis: RedisServer): Promise<Pick<Held, 'redisBytes' | 'redisKeys'>> {
  const memory = String(await ask(redis.url, ['INFO', 'memory']));
  return {
    redisBytes: Number(/^used_memory:(\d+)/m.exec(memory)?.[1]),
    redisKeys: Number(await ask(redis.url, ['DBSIZE'])),
  };
}

async function startApp(redisUrl: string) {
  const { port } = await serveProgram(['--expose-gc', '--import', 'tsx', join(__dirname, 'app.ts')], {
    cwd: process.cwd(),
    env: { REDIS_URL: redisUrl },
  });

  /** As many requests as `keys`, each for a key of its own, spread over `durationMs`. */
  async function visit(keys: number, from: number, durationMs: number): Promise<Record<string, number>> {
    const statuses: Record<string, number> = {};
    const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    const startedAt = performance.now();
    let next = 0;
    async function visitInTurn(): Promise<void> {
      for (let turn = next++; turn < keys; turn = next++) {
        await sleep(Math.max(0, startedAt + (durationMs * turn) / keys - performance.now()));
        const path = `/${FEATURES[turn % FEATURES.length]}/${from + turn}`;
        const seen = await get(port, path, agent).then(({ status }) => String(status), String);
        statuses[seen] = (statuses[seen] ?? 0) + 1;
      }
    }
    await Promise.all(Array.from({ length: CONNECTIONS }, visitInTurn));
    agent.destroy();
    return statuses;
  }

  async function held(): Promise<Omit<Held, 'redisBytes' | 'redisKeys'>> {
    return JSON.parse((await get(port, '/held')).body);
  }

  return { visit, held };
}

function get(port: number, path: string, agent?: http.Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, agent: agent ?? false, timeout: 15_000 };
    const req = http.get(options, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        body += chunk;
      });
      res.on('end', () => resolve({ status: res.statusCode as number, body }));
      res.on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error('no answer')));
    req.on('error', reject);
  });
}
