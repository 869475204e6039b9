/** What a fault is tried on: an app that runs, its users, and what is known of their losses. */
import { type Browser, talkTo } from '../support/http.js';
import { type Program, startProgram } from './program.js';
import type { Lane, Losses } from './traffic.js';

export interface Stage {
  readonly name: string;
  readonly url: string;
  readonly lanes: readonly Lane[];
  /** The first answers the requests. */
  readonly programs: readonly [Program, ...Program[]];
  /** Looks for what was confirmed and is not there, and adds it to the losses. */
  audit(): Promise<void>;
}

export interface StageSettings {
  readonly env: Readonly<Record<string, string>>;
  /** Pages of 1 MB are asked for, too. */
  readonly hasBigPages?: boolean;
}

const LIMITER_OR_CACHE_MS = 200;
const SESSION_MS = 500;

export async function startSmallApp({ env, hasBigPages }: StageSettings): Promise<Stage> {
  // Enough for each node of a cluster to have some of their keys.
  const users = env.REDIS_PORTS?.includes(',') ? 12 : 4;
  const program = await startProgram('test/faults/app.ts', env);
  const served = talkTo(program.url);
  const lane = (name: string, given: Partial<Lane> & Pick<Lane, 'enter'>): Lane => ({
    name,
    users,
    status: 200,
    breakers: 1,
    slowestMs: LIMITER_OR_CACHE_MS,
    losses: { writes: 0, logouts: 0 },
    ...given,
  });
  const reading = (path: string) => (user: number) => async () =>
    (await served.get(`${path}/${user}`)).status;
  const counts: Losses = { writes: 0, logouts: 0 };
  const lanes = [
    lane('none', { breakers: 0, enter: () => async () => (await served.get('/nothing')).status }),
    lane('rate-limit', { keys: 'rl:faults:', enter: reading('/rate-limit') }),
    lane('session', {
      keys: 'sess:',
      needsRedis: true,
      slowestMs: SESSION_MS,
      losses: counts,
      enter: () => counting(served.browser(), counts),
    }),
    lane('response-cache', { keys: 'page:', hasLeases: true, enter: reading('/response-cache') }),
    lane('cache-aside', { keys: 'faults:', hasLeases: true, enter: reading('/cache-aside') }),
    // Half of them are made anew each time; a megabyte takes its time without Redis, too.
    ...(hasBigPages ? [lane('1 MB page', { slowestMs: undefined, enter: reading('/big') })] : []),
  ];
  return { name: 'app', url: program.url, lanes, programs: [program], async audit() {} };
}

/** Each answer confirms one more than the one before. */
function counting(browser: Browser, losses: Losses) {
  let confirmed = 0;
  return async function count(): Promise<number> {
    const reply = await browser.get('/session');
    if (reply.status !== 200) return reply.status;
    const { count } = reply.json() as { count: number };
    if (count === 1 && confirmed > 0) losses.logouts += 1;
    else if (count <= confirmed) losses.writes += 1;
    confirmed = count;
    return reply.status;
  };
}
