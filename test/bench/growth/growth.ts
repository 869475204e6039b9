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

export async function measureGrowth(axis: Axis, stage: Stage, isFull: boolean): Promise<Outcome> {
  const { extra, verdicts } = await growthAlong(axis, stage, isFull);
  const about = `More and more ${axis.of}.`;
  return { result: { bench: `growth: ${axis.name}`, about, scenarios: {}, extras: [extra] }, verdicts };
}
