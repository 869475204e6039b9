/** Tries one fault: an app under steady traffic, Redis behind a wire, something goes wrong and ends, and a table says what was seen. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'redis';
import { onTestEnd } from '../support/cleanup.js';
import { type Browser, talkTo } from '../support/http.js';
import { type Wire, wireTo } from '../support/network.js';
import { ask } from '../support/redis.js';
import { RedisServer } from '../support/redis-server.js';

const FEATURES = ['rate-limit', 'session', 'response-cache', 'cache-aside'] as const;
type Feature = (typeof FEATURES)[number];

/** How long a feature waits for one Redis call, in milliseconds: its default. */
export const DEADLINE_MS: Record<Feature, number> = {
  'rate-limit': 100,
  session: 250,
  'response-cache': 100,
  'cache-aside': 100,
};

/** The harness' own user: it gets in when nobody else does. */
const ADMIN = ['--user', 'admin', 'on', 'nopass', '~*', '&*', '+@all'];
const asAdmin = { username: 'admin', password: 'any' };

/** Between two requests to one feature. */
const PACE_MS = 25;
const SETTLE_MS = 500;
const BACK_WITHIN_MS = 6_000;
const SLOW_MS = 50;

export interface Scene {
  readonly redis: RedisServer;
  readonly wire: Wire;
  /** Sends the app this request, outside of the traffic. */
  ask(path: string): Promise<string>;
  /** Sends Redis this command, past the wire. */
  command(...command: string[]): Promise<unknown>;
}

export interface Fault {
  readonly name: string;
  /** Arguments of redis-server. */
  readonly args?: readonly string[];
  /** Redis is down when the app starts. */
  readonly isAbsentAtStart?: boolean;
  /** A user's own client without an `error` listener instead of connectRedis'. */
  readonly client?: 'plain';
  /** The trouble, from its beginning to its end: when this resolves, Redis is well again. */
  strike(scene: Scene): Promise<void>;
}

interface Row {
  readonly feature: Feature;
  readonly requests: number;
  /** Such as `200: 130, 503: 20`. */
  readonly statuses: Record<string, number>;
  readonly slowestMs: number;
  readonly slow: number;
  /** From the end of the fault until Redis runs this feature's commands again; undefined: not within 6 s. */
  readonly backAfterMs: number | undefined;
}

export interface Outcome {
  readonly fault: string;
  readonly rows: readonly Row[];
  readonly exits: number;
  readonly unhandled: number;
}

export async function tryFault(fault: Fault): Promise<Outcome> {
  const redis = await RedisServer.start({ args: [...ADMIN, ...(fault.args ?? [])] });
  onTestEnd(() => redis.stop());
  if (fault.isAbsentAtStart) await redis.kill();
  const wire = await wireTo(redis.port);
  const app = await startApp(wire.url, fault.client);
  const traffic = sendTraffic(app.url);
  const scene: Scene = {
    redis,
    wire,
    ask: async (path) => (await talkTo(app.url).get(path)).text,
    command: (...command) => ask(redis.url, command, asAdmin),
  };

  if (!fault.isAbsentAtStart) await sleep(SETTLE_MS);
  await fault.strike(scene);
  const back = await msUntilInUse(redis.url);
  await sleep(SETTLE_MS);
  const seen = await traffic.stop();

  const unhandled = app.hasExited() ? 0 : Number(await scene.ask('/unhandled'));
  const exits = app.hasExited() ? 1 : 0;
  app.stop();
  const rows = FEATURES.map((feature) => summarize(feature, seen[feature], back[feature]));
  return { fault: fault.name, rows, exits, unhandled };
}

/** One line per fault and feature, aligned. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const head = [
    'fault',
    'feature',
    'requests',
    'statuses',
    'slowest ms',
    '> 50 ms',
    'in use again after ms',
    'exits',
    'unhandled',
  ];
  const lines = outcomes.flatMap(({ fault, rows, exits, unhandled }) =>
    rows.map((row) => [
      fault,
      row.feature,
      row.requests,
      Object.entries(row.statuses)
        .map(([status, count]) => `${status}: ${count}`)
        .join(', '),
      Math.round(row.slowestMs),
      row.slow,
      row.backAfterMs === undefined ? 'never' : Math.round(row.backAfterMs),
      exits,
      unhandled,
    ]),
  );
  const cells = [head, ...lines].map((line) => line.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((line) => (line[column] as string).length)));
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

interface App {
  readonly url: string;
  hasExited(): boolean;
  stop(): void;
}

async function startApp(redisUrl: string, client: string | undefined): Promise<App> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'app.ts')], {
    env: { ...process.env, REDIS_URL: redisUrl, CLIENT: client ?? '' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = () => void child.kill('SIGKILL');
  onTestEnd(stop);
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  const port = /listening on (\d+)/.exec(line.toString())?.[1];
  return { url: `http://127.0.0.1:${port}`, hasExited: () => child.exitCode !== null, stop };
}

interface Answer {
  readonly status: number | string;
  readonly ms: number;
}

/** One request per feature every 25 ms, whether the earlier ones are answered or not. */
function sendTraffic(url: string) {
  const seen = Object.fromEntries(FEATURES.map((feature) => [feature, [] as Answer[]])) as Record<
    Feature,
    Answer[]
  >;
  const underWay = new Set<Promise<void>>();
  const browser = talkTo(url).browser();
  const timer = setInterval(() => {
    for (const feature of FEATURES) {
      const answered = send(browser, feature).then((answer) => void seen[feature].push(answer));
      underWay.add(answered);
      void answered.then(() => underWay.delete(answered));
    }
  }, PACE_MS);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(underWay);
      return seen;
    },
  };
}

async function send(browser: Browser, feature: Feature): Promise<Answer> {
  const sentAt = performance.now();
  try {
    const { status } = await browser.get(`/${feature}`);
    return { status, ms: performance.now() - sentAt };
  } catch (error) {
    return { status: (error as NodeJS.ErrnoException).code ?? 'error', ms: performance.now() - sentAt };
  }
}

function summarize(feature: Feature, answers: readonly Answer[], backAfterMs: number | undefined): Row {
  const statuses: Record<string, number> = {};
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  return {
    feature,
    requests: answers.length,
    statuses,
    slowestMs: Math.max(0, ...answers.map(({ ms }) => ms)),
    slow: answers.filter(({ ms }) => ms > SLOW_MS).length,
    backAfterMs,
  };
}

/** What a feature's keys begin with. */
const KEYS: Record<Feature, string> = {
  'rate-limit': '"rl:faults:',
  session: '"sess:',
  'response-cache': '"page:',
  'cache-aside': '"faults:',
};

/** For each feature, from now until Redis itself sees a command of it. */
async function msUntilInUse(url: string): Promise<Partial<Record<Feature, number>>> {
  const since = performance.now();
  const seen: Partial<Record<Feature, number>> = {};
  const client = createClient({ url, ...asAdmin, socket: { reconnectStrategy: 5 } });
  client.on('error', () => {});
  await client.connect();
  await client.monitor((line) => {
    for (const feature of FEATURES) {
      if (String(line).includes(KEYS[feature])) seen[feature] ??= performance.now() - since;
    }
  });
  while (performance.now() - since < BACK_WITHIN_MS && Object.keys(seen).length < FEATURES.length)
    await sleep(5);
  client.destroy();
  return seen;
}
