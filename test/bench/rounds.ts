/** Measures contenders side by side: warm-up, then A B C, C A B ..., so that all of them meet the machine's moods alike. */
import type { Contender, LoadOutcome, LoadSender } from './processes.js';

export interface Effort {
  readonly rounds: number;
  readonly requestsPerRound: number;
  readonly warmUpRequests: number;
  readonly connections: number;
}

export interface Scenario {
  readonly name: string;
  /** The status of every measured answer; anything else ends the bench. */
  readonly status: number;
  /** The requests of one contender; it may ask for cookies first. */
  prepare(contender: Contender, load: LoadSender): Promise<readonly string[]>;
}

/** One figure per round. */
export interface Figures {
  readonly cpuMicros: number[];
  readonly requestsPerSecond: number[];
  readonly p99Ms: number[];
}

export async function measure(
  scenario: Scenario,
  contenders: readonly Contender[],
  load: LoadSender,
  effort: Effort,
  say: (text: string) => void,
): Promise<Map<string, Figures>> {
  const { connections, warmUpRequests, requestsPerRound } = effort;
  const figures = new Map<string, Figures>();
  const requestsOf = new Map<string, readonly string[]>();
  for (const contender of contenders) {
    say(`${scenario.name}: warm-up of ${contender.name}`);
    const requests = await scenario.prepare(contender, load);
    requestsOf.set(contender.name, requests);
    figures.set(contender.name, { cpuMicros: [], requestsPerSecond: [], p99Ms: [] });
    check(
      scenario,
      contender,
      await load.send({ port: contender.port, requests, count: warmUpRequests, connections }),
    );
  }
  for (const round of roundsUpTo(effort.rounds)) {
    say(`${scenario.name}: round ${round} of ${effort.rounds}`);
    // Who always comes after the heaviest one pays for it: a third more, in bodies of 100 KB.
    for (const contender of shuffled(contenders)) await measureOnce(contender);
  }
  return figures;

  async function measureOnce(contender: Contender): Promise<void> {
    const { name, port } = contender;
    const requests = requestsOf.get(name) as readonly string[];
    const before = await contender.usage();
    const outcome = await load.send({ port, requests, count: requestsPerRound, connections });
    const after = await contender.usage();
    check(scenario, contender, outcome);
    const { cpuMicros, requestsPerSecond, p99Ms } = figures.get(name) as Figures;
    cpuMicros.push((after.cpuMicros - before.cpuMicros) / outcome.sent);
    requestsPerSecond.push((outcome.sent / outcome.durationMs) * 1000);
    p99Ms.push(outcome.p99Ms);
  }
}

/** However slow a contender or the machine, it takes not much longer; of so few rounds a median still says something. */
const ENOUGH_MS = 90_000;
const FEWEST_ROUNDS = 3;

export function* roundsUpTo(most: number): Generator<number> {
  const enoughAt = performance.now() + ENOUGH_MS;
  for (let round = 1; round <= most; round += 1) {
    if (round > FEWEST_ROUNDS && performance.now() > enoughAt) return;
    yield round;
  }
}

function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ item }) => item);
}

/** A contender that answers something else has done other work. */
function check({ name, status }: Scenario, contender: Contender, { statuses, sent }: LoadOutcome): void {
  if (statuses[status] === sent) return;
  throw new Error(
    `${name}: ${contender.name} answered ${JSON.stringify(statuses)}, not ${status} to all ${sent}`,
  );
}
