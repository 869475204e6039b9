/** Carries out one plan: starts its contenders, measures every scenario, and takes a look from Redis' side. */
import type { Plan, Result, Row, Stage } from './plan.js';
import { type Contender, type LoadSender, startContender, startLoadSender } from './processes.js';
import { commandsDuring, databaseOf, spellCommands } from './redis-view.js';
import { type Effort, type Figures, measure, type Scenario } from './rounds.js';
import { ratioOf, spreadOf } from './statistics.js';

const PROBES = 200;

export async function runPlan(plan: Plan, stage: Stage): Promise<Result> {
  const effort = stage.isQuick ? plan.effort.quick : plan.effort.full;
  const load = startLoadSender();
  const contenders: Contender[] = [];
  try {
    for (const [index, spec] of (await plan.contenders(stage.redisUrl)).entries())
      contenders.push(await startContender(spec, databaseOf(stage.redisUrl, index)));
    const scenarios: Record<string, Row[]> = {};
    for (const scenario of plan.scenarios)
      scenarios[scenario.name] = await runScenario(plan, scenario, contenders, load, effort, stage.say);
    // The contenders would take part in what follows, if only by their timers.
    for (const contender of contenders) contender.stop();
    const extras = (await plan.extras?.(stage)) ?? [];
    return { bench: plan.name, about: plan.about, scenarios, extras };
  } finally {
    load.stop();
    for (const contender of contenders) contender.stop();
  }
}

async function runScenario(
  plan: Plan,
  scenario: Scenario,
  contenders: readonly Contender[],
  load: LoadSender,
  effort: Effort,
  say: Stage['say'],
): Promise<Row[]> {
  const figures = await measure(scenario, contenders, load, effort, say);
  const floor = figures.get(plan.floor) as Figures;
  const peer = figures.get(plan.peer) as Figures;
  const rows: Row[] = [];
  for (const contender of contenders) {
    const { cpuMicros, requestsPerSecond, p99Ms } = figures.get(contender.name) as Figures;
    rows.push({
      contender: contender.name,
      cpuMicros: spreadOf(cpuMicros),
      cpuByRound: cpuMicros,
      toFloor: ratioOf(cpuMicros, floor.cpuMicros),
      toPeer: ratioOf(cpuMicros, peer.cpuMicros),
      requestsPerSecond: spreadOf(requestsPerSecond),
      p99Ms: spreadOf(p99Ms),
      ...(await probe(scenario, contender, load)),
    });
  }
  return rows;
}

/** One request at a time, with Redis and the contender telling what they do. */
async function probe(scenario: Scenario, contender: Contender, load: LoadSender) {
  const requests = await scenario.prepare(contender, load);
  const probing = requests.map((request) => request.replace('\r\n\r\n', '\r\nX-Probe: 1\r\n\r\n'));
  const order = { port: contender.port, requests: probing, count: PROBES, connections: 1 };
  await contender.usage();
  const commands = await commandsDuring(contender.redisUrl, () => load.send(order));
  const { heldMs } = await contender.usage();
  return {
    commands: spellCommands(commands, PROBES),
    commandsPerRequest: commands.length / PROBES,
    heldMs: heldMs.length === 0 ? undefined : spreadOf(heldMs),
  };
}
