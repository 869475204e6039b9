/** Steady traffic of users who wait for each answer, as people do, and what they saw of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { msWithout, nowMs, type Stall } from './stalls.js';

/** One thing that users do again and again, and what they may expect of it. */
export interface Lane {
  readonly name: string;
  readonly users: number;
  /** The answer when all is well. */
  readonly status: number;
  /** With Redis in trouble its answer may be 503 instead: it cannot do without sessions. */
  readonly needsRedis?: boolean;
  /** How many breakers stand on its way; 0: it uses no Redis, and shows how busy the machine is. */
  readonly breakers: number;
  /** What Redis may cost one request: what its features promise, added up. Undefined: it is slow by itself. */
  readonly slowestMs?: number | undefined;
  /** It is served by a cache, which loads under a lease. */
  readonly hasLeases?: boolean;
  /** What its keys begin with. */
  readonly keys?: string;
  readonly losses: Losses;
  /** Makes one user; each call of that is one request. */
  enter(user: number): Visit;
}

/** What was answered, and how. */
export type Visit = () => Promise<number | SlowByItself>;

/** Whatever Redis does: its time says nothing of an outage. */
interface SlowByItself {
  readonly slowStatus: number;
}

/** What should never happen, counted while it goes on and once more at the end. */
export interface Losses {
  /** Confirmed, and not there afterwards. */
  writes: number;
  /** Users who were logged in, and are told that they are not. */
  logouts: number;
}

export interface Answer {
  readonly status: number | string;
  readonly sentAt: number;
  readonly answeredAt: number;
  readonly isSlowByItself: boolean;
}

export type Seen = ReadonlyMap<Lane, readonly Answer[]>;

/** Between an answer and the same user's next request. */
const PAUSE_MS = 50;

export function sendTraffic(lanes: readonly Lane[]): { stop(): Promise<Seen> } {
  const seen = new Map(lanes.map((lane) => [lane, [] as Answer[]]));
  let isOver = false;

  async function use(lane: Lane, user: number): Promise<void> {
    const visit = lane.enter(user);
    await sleep(Math.random() * PAUSE_MS);
    while (!isOver) {
      const sentAt = nowMs();
      const answer = await visit().catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
      const isSlowByItself = typeof answer === 'object';
      const status = isSlowByItself ? answer.slowStatus : answer;
      seen.get(lane)?.push({ status, sentAt, answeredAt: nowMs(), isSlowByItself });
      await sleep(PAUSE_MS);
    }
  }
  const users = lanes.flatMap((lane) => Array.from({ length: lane.users }, (_, user) => use(lane, user)));
  return {
    async stop() {
      isOver = true;
      await Promise.all(users);
      return seen;
    },
  };
}

export interface Row {
  readonly lane: Lane;
  readonly requests: number;
  /** Such as `200: 130, 503: 20`. */
  readonly statuses: Readonly<Record<string, number>>;
  /** From here on: since the fault began, without what is slow by itself and the time in which app or users stood still. */
  readonly slowestMs: number;
  readonly slow: number;
  readonly medianMs: number;
}

const SLOW_MS = 50;

export function summarize(lane: Lane, all: readonly Answer[], since: number, stalls: readonly Stall[]): Row {
  const answers = all.filter(({ answeredAt }) => answeredAt >= since);
  const statuses: Record<string, number> = {};
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  const durationsMs = answers
    .filter(({ isSlowByItself }) => !isSlowByItself)
    .map(({ sentAt, answeredAt }) => msWithout(stalls, sentAt, answeredAt))
    .sort((a, b) => a - b);
  return {
    lane,
    requests: answers.length,
    statuses,
    slowestMs: durationsMs.at(-1) ?? 0,
    slow: durationsMs.filter((ms) => ms > SLOW_MS).length,
    medianMs: durationsMs[durationsMs.length >> 1] ?? 0,
  };
}
