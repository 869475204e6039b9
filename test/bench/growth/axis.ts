/** One axis of growth: what grows, and what each operation costs at every size. */
import type { Extra, Stage, Verdict } from '../plan.js';
import { isAtMost, type Law, lawOf, worseOf } from './law.js';

export interface Axis {
  readonly name: string;
  /** What is as many as a size says. */
  readonly of: string;
  readonly sizes: readonly number[];
  /** What `--full` adds. */
  readonly bigSizes: readonly number[];
  /** What it may grow by, and why where that is more than by the logarithm. */
  readonly operations: Readonly<Record<string, Allowed>>;
  measure(size: number, stage: Stage): Promise<Readonly<Record<string, Cost>>>;
}

interface Allowed {
  readonly law: Law;
  readonly because?: string;
}

export interface Cost {
  /** Redis' own microseconds per call; undefined for what only has a weight. */
  readonly redisMicros?: number;
  readonly commands?: number;
  /** CPU of our process per call, in microseconds. */
  readonly ourMicros?: number;
  readonly bytes?: number;
}

type Measured = readonly { readonly size: number; readonly costs: Readonly<Record<string, Cost>> }[];

export async function growthAlong(axis: Axis, stage: Stage, isFull: boolean): Promise<Grown> {
  const measured: { size: number; costs: Readonly<Record<string, Cost>> }[] = [];
  // What comes first would pay for what all of them use.
  await axis.measure(axis.sizes[0] as number, stage);
  for (const size of isFull ? [...axis.sizes, ...axis.bigSizes] : axis.sizes) {
    stage.say(size.toLocaleString('en'));
    measured.push({ size, costs: await axis.measure(size, stage) });
  }
  const rows = Object.entries(axis.operations).map(([operation, allowed]) =>
    rowOf(operation, allowed, measured),
  );
  const head = ['', ...measured.map(({ size }) => size.toLocaleString('en')), ...COLUMNS];
  return {
    extra: {
      title: 'what a call costs',
      rows: [head, ...rows.map(({ cells }) => cells)],
      figures: {},
    },
    verdicts: rows.map(({ verdict }) => verdict),
  };
}

interface Grown {
  readonly extra: Extra;
  readonly verdicts: readonly Verdict[];
}

const COLUMNS = ['commands', 'our CPU us', 'grows'];

function rowOf(
  operation: string,
  { law: allowed, because }: Allowed,
  measured: Measured,
): { readonly cells: readonly string[]; readonly verdict: Verdict } {
  const costs = measured.flatMap(({ size, costs }) => {
    const cost = costs[operation];
    return cost === undefined ? [] : [{ size, ...cost }];
  });
  const along = (what: keyof Cost) => costs.map((cost) => ({ size: cost.size, cost: cost[what] ?? 0 }));
  const law = worseOf(lawOf(along(isWeight(costs[0]) ? 'bytes' : 'redisMicros')), lawOf(along('commands')));
  const cells = measured.map(({ costs }) => spellCost(costs[operation]));
  const note = because === undefined ? {} : { note: because };
  return {
    cells: [operation, ...cells, ends(costs, 'commands', 1), ends(costs, 'ourMicros', 0), law],
    verdict: {
      target: `${operation} grows at most ${allowed}`,
      measured: law,
      isMet: isAtMost(law, allowed),
      ...note,
    },
  };
}

function isWeight(cost: Cost | undefined): boolean {
  return cost?.bytes !== undefined;
}

function spellCost(cost: Cost | undefined): string {
  if (cost === undefined) return '-';
  if (cost.bytes !== undefined) return `${Math.round(cost.bytes).toLocaleString('en')} B`;
  const micros = cost.redisMicros ?? 0;
  return `${micros.toFixed(micros < 100 ? 1 : 0)} us`;
}

/** At the first and the last size, once where that is the same. */
function ends(costs: readonly Cost[], what: keyof Cost, digits: number): string {
  const [first, last] = [costs[0]?.[what], costs.at(-1)?.[what]];
  if (first === undefined || last === undefined) return '';
  const [from, to] = [first.toFixed(digits), last.toFixed(digits)];
  return from === to ? from : `${from} to ${to}`;
}
