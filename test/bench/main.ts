/** The benches by name: runs those that were asked for, prints tables or JSON on stdout, progress on stderr. */
import { runPlan } from './bench.js';
import { cacheAsidePlan } from './cache-aside/plan.js';
import type { Plan, Result, Verdict } from './plan.js';
import { postgresPlan } from './postgres/plan.js';
import { rateLimitPlan } from './rate-limit/plan.js';
import { connect } from './redis-view.js';
import { circumstancesOf, spellCircumstances, spellResult, spellVerdicts } from './report.js';
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
const SWITCHES = ['--json', '--quick'];

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const isPlan = (word: string) => Object.hasOwn(PLANS, word);
  const unknown = words.find((word) => !isPlan(word) && !SWITCHES.includes(word));
  if (unknown !== undefined) {
    throw new Error(
      `${unknown}: there are the benches ${Object.keys(PLANS).join(', ')}, and ${SWITCHES.join(', ')}`,
    );
  }
  const redisUrl = process.env.BENCH_REDIS_URL;
  if (redisUrl === undefined) throw new Error('run it with: npm run bench');
  const isQuick = words.includes('--quick');
  const isJson = words.includes('--json');
  const names = words.filter(isPlan);

  const circumstances = circumstancesOf(await redisVersion(redisUrl));
  if (!isJson) process.stdout.write(spellCircumstances(circumstances));
  const outcomes: { result: Result; verdicts: readonly Verdict[] }[] = [];
  for (const name of names.length === 0 ? Object.keys(PLANS) : names) {
    const plan = PLANS[name] as Plan;
    const result = await runPlan(plan, { redisUrl, isQuick, say: (text) => say(`${name}: ${text}`) });
    const verdicts = plan.judge(result);
    outcomes.push({ result, verdicts });
    if (!isJson) process.stdout.write(spellResult(result) + spellVerdicts(verdicts));
  }
  if (isJson) process.stdout.write(`${JSON.stringify({ ...circumstances, isQuick, outcomes }, null, 2)}\n`);
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
