/** How cost grows: a table for each axis, and what it may grow by. */
import type { Outcome, Stage } from '../plan.js';
import { type Axis, growthAlong } from './axis.js';
import { nodes, processes } from './fleet.js';
import { keys } from './keys.js';
import { limits } from './limits.js';
import { bodies, tagged, tags, variants } from './pages.js';
import { users } from './users.js';

export const AXES: Readonly<Record<string, Axis>> = {
  keys,
  limits,
  bodies,
  variants,
  tagged,
  tags,
  users,
  processes,
  nodes,
};

/** @param names of axes; none: all */
export async function measureGrowth(
  names: readonly string[],
  stage: Stage,
  isFull: boolean,
): Promise<Outcome> {
  const chosen = names.length === 0 ? Object.values(AXES) : names.map((name) => AXES[name] as Axis);
  const grown: Awaited<ReturnType<typeof growthAlong>>[] = [];
  for (const axis of chosen) grown.push(await growthAlong(axis, stage, isFull));
  return {
    result: {
      bench: 'growth',
      about:
        "Redis' own microseconds per call (INFO commandstats), one call at a time, the least of five batches; beside them the commands per call and the CPU of the process that makes it, at the first and the last size.",
      scenarios: {},
      extras: grown.map(({ extra }) => extra),
    },
    verdicts: grown.flatMap(({ verdicts }) => verdicts),
  };
}
