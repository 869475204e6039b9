/** Tries one fault: an app under steady traffic, something goes wrong and ends, and an account of what was seen. */
import { setTimeout as sleep } from 'node:timers/promises';
import { talkTo } from '../support/http.js';
import type { ClientKind } from './clients.js';
import { type Ground, type GroundKind, layGround, msUntilInUse } from './ground.js';
import type { Stage, StageSettings } from './stage.js';
import { merged, nowMs, shareOf, watchStalls } from './stalls.js';
import { type Row, sendTraffic, summarize } from './traffic.js';

export interface Scene extends Ground {
  /** Keeps the app from doing anything else for so long. */
  block(ms: number): Promise<void>;
}

export interface Fault {
  readonly name: string;
  /** Default: one server. */
  readonly ground?: GroundKind;
  /** Arguments of redis-server. */
  readonly args?: readonly string[];
  /** Redis is down when the app starts. */
  readonly isAbsentAtStart?: boolean;
  /** Of the small app; default: connectRedis'. */
  readonly client?: ClientKind;
  readonly hasBigPages?: boolean;
  /** What is lost by the fault itself, in a word or two: sessions that are gone are nobody else's doing then. */
  readonly loses?: string;
  /** Redis keeps nothing but its snapshots. */
  readonly isForgetful?: boolean;
  /** Nothing of it is an outage of Redis: it may not even cost a 503. */
  readonly isHarmless?: boolean;
  /** Postgres is away: whatever needs it may answer 503, and takes its time. */
  readonly isOfPostgres?: boolean;
  /** It brings back leases of loads that are over: who wants those keys waits until they end, 4 s at most. */
  readonly revivesLeases?: boolean;
  /** How soon Redis must be in use again; default 1,000. Infinity: that is up to the user's own client. */
  readonly inUseWithinMs?: number;
  /** The trouble, from its beginning to its end: when this resolves, Redis is well again. */
  strike(scene: Scene): Promise<void>;
  /** Where a command shows that Redis is in use again; default: the first server. */
  watched?(ground: Ground): string;
}

export interface Outcome {
  readonly stage: string;
  readonly fault: Fault;
  readonly rows: readonly Row[];
  /** By lane: until Redis was in use again; absent: not within 6 s. */
  readonly backAfterMs: ReadonlyMap<Row['lane'], number>;
  /** The part of the time in which the app or its users could not run. */
  readonly stoodStill: number;
  readonly exits: number;
  readonly unhandled: number;
}

export type StartStage = (settings: StageSettings) => Promise<Stage>;

const SETTLE_MS = 700;

export async function tryFault(startStage: StartStage, fault: Fault): Promise<Outcome> {
  const ground = await layGround({ ...fault, kind: fault.ground });
  if (fault.isAbsentAtStart) await ground.redis.kill();
  const env = { ...ground.env, CLIENT: fault.client ?? 'connectRedis' };
  const stage = await startStage({ env, hasBigPages: fault.hasBigPages ?? false });
  const [app] = stage.programs;
  const own = watchStalls();
  const traffic = sendTraffic(stage.lanes);

  if (!fault.isAbsentAtStart) await sleep(SETTLE_MS);
  const since = nowMs();
  await fault.strike({ ...ground, block: app.block });
  const backAfterMs = await msUntilInUse(fault.watched?.(ground) ?? ground.redis.url, stage.lanes);
  await sleep(SETTLE_MS);
  const seen = await traffic.stop();
  own.stop();
  const until = nowMs();

  const running = stage.programs.filter((program) => !program.hasEnded());
  const observed = await Promise.all(running.map((program) => program.observed()));
  const isUp = await answers(stage.url);
  if (isUp) await stage.audit();
  const stalls = merged(own.stalls, ...observed.map((each) => each.stalls));
  const unhandled = observed.reduce((sum, each) => sum + each.unhandled, 0);
  if (unhandled > 0 || running.length < stage.programs.length)
    for (const program of stage.programs) process.stdout.write(program.output());
  for (const program of stage.programs) program.signal('SIGKILL');
  return {
    stage: stage.name,
    fault,
    rows: stage.lanes.map((lane) => summarize(lane, seen.get(lane) ?? [], since, stalls)),
    backAfterMs,
    stoodStill: shareOf(stalls, since, until),
    exits: stage.programs.length - running.length,
    unhandled,
  };
}

function answers(url: string): Promise<boolean> {
  return talkTo(url)
    .get('/')
    .then(
      () => true,
      () => false,
    );
}
