/** What one bench consists of, and what comes out of it. */
import type { ContenderSpec } from './processes.js';
import type { Effort, Scenario } from './rounds.js';
import type { Spread } from './statistics.js';

export interface Plan {
  readonly name: string;
  /** What every request is, in a sentence or two. */
  readonly about: string;
  readonly effort: { readonly full: Effort; readonly quick: Effort };
  readonly scenarios: readonly Scenario[];
  /** The names that ratios are taken to: the floor, and the peer that is replaced. */
  readonly floor: string;
  readonly peer: string;
  /** Who takes part; what has to be known to start them is found out here. */
  contenders(redisUrl: string): Promise<readonly ContenderSpec[]>;
  /** Figures that need no rounds of requests. */
  extras?(stage: Stage): Promise<readonly Extra[]>;
  judge(result: Result): readonly Verdict[];
}

export interface Stage {
  readonly redisUrl: string;
  readonly isQuick: boolean;
  say(text: string): void;
}

/** A table of its own, and its figures by name, for the targets. */
export interface Extra {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
  readonly figures: Readonly<Record<string, number>>;
}

export interface Verdict {
  readonly target: string;
  readonly measured: string;
  /** Undefined where it could not be measured. */
  readonly isMet: boolean | undefined;
  /** What has to be known to judge a miss. */
  readonly note?: string;
}

export interface Row {
  readonly contender: string;
  readonly cpuMicros: Spread;
  /** The same, as it was in each round: to be compared with another contender's of that round. */
  readonly cpuByRound: readonly number[];
  /** CPU, as a multiple of the floor's and of the peer's, round by round. */
  readonly toFloor: Spread;
  readonly toPeer: Spread;
  readonly requestsPerSecond: Spread;
  readonly p99Ms: Spread;
  /** Commands that Redis was sent, per request: such as `1.00 EVALSHA`. */
  readonly commands: string;
  readonly commandsPerRequest: number;
  /** How long the end of a response was held back, one request at a time; undefined where it is not probed. */
  readonly heldMs: Spread | undefined;
}

export interface Result {
  readonly bench: string;
  readonly about: string;
  readonly scenarios: Readonly<Record<string, readonly Row[]>>;
  readonly extras: readonly Extra[];
}

export interface Outcome {
  readonly result: Result;
  readonly verdicts: readonly Verdict[];
}

export function rowOf(result: Result, scenario: string, contender: string): Row {
  const row = result.scenarios[scenario]?.find((candidate) => candidate.contender === contender);
  if (row === undefined) throw new Error(`${contender} was not measured in ${scenario}`);
  return row;
}

/** A figure of the extra tables; undefined where it could not be measured. */
export function figureOf(result: Result, name: string): number | undefined {
  return Object.assign({}, ...result.extras.map(({ figures }) => figures))[name];
}
