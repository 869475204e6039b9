/** What docs/operations.md promises for an outage, and what an outcome owes of it. */
import type { Fault, Outcome } from './harness.js';
import type { Row } from './traffic.js';

const IN_USE_AGAIN_MS = 1_000;
/** Those that wait when the breaker opens, and as many as it takes to open it. */
const MISSES = 3;

/** Broken whatever the machine is busy with. */
export function brokenPromises({ fault, rows, backAfterMs, exits, unhandled }: Outcome): string[] {
  // Of a cluster's node a lane may have no key, by chance.
  const mustBeBack = rows.filter(({ lane }) => lane.keys !== undefined && fault.ground !== 'cluster');
  const never = mustBeBack.filter(({ lane }) => !backAfterMs.has(lane));
  return [
    ...(exits > 0 ? [`exits: ${exits}`] : []),
    ...(unhandled > 0 ? [`unhandled rejections: ${unhandled}`] : []),
    ...never.map(({ lane }) => `${lane.name}: Redis is not in use again`),
    ...rows.flatMap((row) => brokenIn(row, fault)),
  ];
}

function brokenIn({ lane, requests, statuses }: Row, fault: Fault): string[] {
  const mayBe503 = fault.isOfPostgres || lane.needsRedis;
  const others = Object.keys(statuses).filter(
    (status) => status !== String(lane.status) && !(status === '503' && mayBe503),
  );
  const { writes, logouts } = fault.loses === undefined ? lane.losses : NONE;
  return [
    ...(requests >= FEWEST ? [] : [`${lane.name}: only ${requests} requests`]),
    ...others.map((status) => `${lane.name}: ${status} ${statuses[status]} times`),
    ...(writes > 0 ? [`${lane.name}: ${writes} confirmed writes lost`] : []),
    ...(logouts > 0 ? [`${lane.name}: ${logouts} users logged out`] : []),
  ];
}

const FEWEST = 3;
const NONE = { writes: 0, logouts: 0 };

/** The app or its users had to wait for a processor again and again, and so had Redis and Postgres. */
export function isMachineBusy({ stoodStill }: Outcome): boolean {
  return stoodStill > BUSY;
}

const BUSY = 0.05;
const A_LEASE_MS = 4_200;

/** What a busy machine may be to blame for. */
export function latePromises({ fault, rows, backAfterMs }: Outcome): string[] {
  const { inUseWithinMs = IN_USE_AGAIN_MS, isOfPostgres, isHarmless, revivesLeases } = fault;
  if (isOfPostgres) return [];
  return rows.flatMap(({ lane, statuses, slowestMs, slow }) => {
    const backMs = backAfterMs.get(lane) ?? 0;
    const late = backMs > inUseWithinMs ? [`${lane.name}: in use again after ${Math.round(backMs)} ms`] : [];
    if (isHarmless && statuses[503]) late.push(`${lane.name}: 503 ${statuses[503]} times`);
    if (lane.slowestMs === undefined) return late;
    if (revivesLeases && lane.hasLeases) {
      return slowestMs > A_LEASE_MS ? [...late, `${lane.name}: ${Math.round(slowestMs)} ms`] : late;
    }
    if (slowestMs > lane.slowestMs) late.push(`${lane.name}: ${Math.round(slowestMs)} ms`);
    // Where there is no outage, nothing is promised but that.
    if (!isHarmless && slow > mostSlow({ lane })) late.push(`${lane.name}: ${slow} requests over 50 ms`);
    return late;
  });
}

export function mostSlow({ lane }: Pick<Row, 'lane'>): number {
  return lane.users + MISSES * lane.breakers;
}
