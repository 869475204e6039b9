/** The benches by name: runs those that were asked for, prints tables or JSON on stdout, progress on stderr. */
import { runPlan } from './bench.js';
import { cacheAsidePlan } from './cache-aside/plan.js';
import { AXES, measureGrowth } from './growth/growth.js';
import { writeIntoPage } from './page.js';
import type { Outcome, Plan, Result, Stage } from './plan.js';
import { postgresPlan } from './postgres/plan.js';
import { rateLimitPlan } from './rate-limit/plan.js';
import { connect } from './redis-view.js';
import { circumstancesOf, markdown, plain, spellCircumstances, spellOutcome } from './report.js';
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
    const outcome = await run({ redisUrl, isQuick, say: (text) => say(`${name}: ${text}`) });
    outcomes.push(outcome);
    const text = spellOutcome(outcome, style);
    if (isForPage)
      writeIntoPage(name, `${spellCommand(words, name)}${spellCircumstances(circumstances)}${text}`);
    if (!isJson) process.stdout.write(text);
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ ...circumstances, isQuick, outcomes }, null, 2)}\n`);
}

/** The line to type to get the same again. */
function spellCommand(words: readonly string[], name: string): string {
  const rest = words.filter((word) => word !== '--page' && !Object.hasOwn(PLANS, word) && word !== GROWTH);
  return `\`npm run bench -- ${[name, ...rest].join(' ')}\`, `;
}

/** What was asked for, by name: plans, all of them when none is named, or growth along some axes. */
function runsOf(words: readonly string[]): [name: string, run: (stage: Stage) => Promise<Outcome>][] {
  if (words.includes(GROWTH)) {
    const axes = words.filter((word) => Object.hasOwn(AXES, word));
    return [[GROWTH, (stage) => measureGrowth(axes, stage, words.includes('--full'))]];
  }
  const named = words.filter((word) => Object.hasOwn(PLANS, word));
  return (named.length === 0 ? Object.keys(PLANS) : named).map((name) => {
    const plan = PLANS[name] as Plan;
    return [name, async (stage) => judged(plan, await runPlan(plan, stage))];
  });
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
