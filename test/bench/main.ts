/** The benches by name: runs those that were asked for, prints tables or JSON on stdout, progress on stderr. */
import { runPlan } from './bench.js';
import { cacheAsidePlan } from './cache-aside/plan.js';
import type { Axis } from './growth/axis.js';
import { AXES, measureGrowth } from './growth/growth.js';
import { writeIntoPage } from './page.js';
import type { Outcome, Plan, Result, Stage } from './plan.js';
import { postgresPlan } from './postgres/plan.js';
import { rateLimitPlan } from './rate-limit/plan.js';
import { connect } from './redis-view.js';
import {
  circumstancesOf,
  markdown,
  plain,
  spellCircumstances,
  spellMachine,
  spellOutcome,
} from './report.js';
import { responseCachePlan } from './response-cache/plan.js';
import { sessionPlan } from './session/plan.js';
import { suitePlan } from './suite/plan.js';

const PLANS: Readonly<Record<string, Plan>> = {
  'cache-aside': cacheAsidePlan,
  'rate-limit': rateLimitPlan,
  'response-cache': responseCachePlan,
  session: sessionPlan,
  suite: suitePlan,
  postgres: postgresPlan,
};
const GROWTH = 'growth';
const SWITCHES = ['--json', '--markdown', '--page', '--quick', '--full'];

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const isGrowth = words.includes(GROWTH);
  const known = [...Object.keys(PLANS), GROWTH, ...SWITCHES, ...(isGrowth ? Object.keys(AXES) : [])];
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new Error(`${unknown}: there are ${known.join(', ')}`);
  const redisUrl = process.env.BENCH_REDIS_URL;
  if (redisUrl === undefined) throw new Error('run it with: npm run bench');
  const isQuick = words.includes('--quick');
  const isJson = words.includes('--json');
  const isForPage = words.includes('--page');
  const style = isForPage || words.includes('--markdown') ? markdown : plain;

  const circumstances = circumstancesOf(await redisVersion(redisUrl));
  if (!isJson) process.stdout.write(spellCircumstances(circumstances));
  const outcomes: Outcome[] = [];
  for (const [name, run] of runsOf(words)) {
    const outcome = await run({ redisUrl, isQuick, say: (text) => say(`${name}: ${text}`) }).catch(giveUp);
    if (outcome === undefined) continue;
    outcomes.push(outcome);
    const text = spellOutcome(outcome, style);
    const head = isGrowth ? spellMachine(circumstances) : spellCircumstances(circumstances);
    if (isForPage) writeIntoPage(name, `${spellCommand(words, name)}${head}${text}`);
    if (!isJson) process.stdout.write(text);

    /** The others are measured all the same. */
    function giveUp(error: unknown): undefined {
      say(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ ...circumstances, isQuick, outcomes }, null, 2)}\n`);
}

/** The line to type to get the same again. */
function spellCommand(words: readonly string[], name: string): string {
  const switches = words.filter((word) => SWITCHES.includes(word) && word !== '--page');
  return `\`npm run bench -- ${[name, ...switches].join(' ')}\`, `;
}

type Run = (stage: Stage) => Promise<Outcome>;

/** What was asked for, by name: plans, or growth along some axes; all of them when none is named. */
function runsOf(words: readonly string[]): [name: string, run: Run][] {
  const isGrowth = words.includes(GROWTH);
  const all = Object.keys(isGrowth ? AXES : PLANS);
  const named = all.filter((name) => words.includes(name));
  return (named.length === 0 ? all : named).map((name) => (isGrowth ? growthRun(name) : planRun(name)));

  function growthRun(name: string): [string, Run] {
    const axis = AXES[name] as Axis;
    return [`${GROWTH} ${name}`, (stage) => measureGrowth(axis, stage, words.includes('--full'))];
  }
}

function planRun(name: string): [string, Run] {
  const plan = PLANS[name] as Plan;
  return [name, async (stage) => judged(plan, await runPlan(plan, stage))];
}

function judged(plan: Plan, result: Result): Outcome {
  return { result, verdicts: plan.judge(result) };
}

async function redisVersion(url: string): Promise<string> {
  const client = await connect(url);
  const version = /^redis_version:(.*)$/m.exec(await client.info('server'))?.[1]?.trim() ?? 'unknown';
  client.destroy();
  return version;
}

function say(text: string): void {
  process.stderr.write(`[${(performance.now() / 1000).toFixed(1).padStart(6)} s] ${text}\n`);
}

main().then(
  () => process.exit(),
  (error) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
