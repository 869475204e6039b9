// `npm run conformance`: the public HTTP cache tests (http-cache-tests, shown on cache-tests.fyi) against our response
// cache, both profiles, in one process and in two. Fails when a test fails that is not in baseline.json.
//
// `npm run conformance -- rfc9111` runs that profile only.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { newFolder } from '../../demo-app/setup/folders.mjs';
import { ensureInstalled } from '../../demo-app/setup/install.mjs';
import { reason, say } from '../../demo-app/setup/log.mjs';
import { howToGetRedis, startRedis } from '../../demo-app/setup/redis.mjs';
import { watchOver } from '../../demo-app/setup/watchdog.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const SUITE = fileURLToPath(new URL('suite-process.mjs', import.meta.url));
const BASELINE = JSON.parse(readFileSync(new URL('baseline.json', import.meta.url), 'utf8'));
const KINDS = ['required', 'optimal', 'check'];
/** Of the suite's repository today, in place of the required tests of the same names. */
const TODAY = 'today';

/**
 * @typedef {{ id: string, kind: string, isPassed: boolean, sign: string, why?: string }} Verdict
 * @typedef {{ profile: string, processes: number }} Setting
 */

try {
  process.exitCode = await main();
} catch (error) {
  say(reason(error));
  process.exitCode = 1;
}

async function main() {
  await ensureInstalled();
  await ensureInstalled(HERE);
  const redis = await startRedis();
  if (!redis) {
    say(`there is no Redis to run with; type: ${howToGetRedis()}`);
    return 1;
  }
  say(`Redis ${redis.url} (${redis.description})`);
  const profiles = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BASELINE);
  const settings = profiles.flatMap((profile) => [1, 2].map((processes) => ({ profile, processes })));
  let isWorse = false;
  for (const setting of settings) {
    const verdicts = await judge(setting, redis.url);
    const news = report(setting, verdicts);
    isWorse ||= news.length > 0;
  }
  await redis.stop();
  process.stdout.write(isWorse ? 'FAILED: worse than the baseline\n' : 'no worse than the baseline\n');
  return isWorse ? 1 : 0;
}

/**
 * A busy machine breaks tests that wait for seconds to pass, so what fails is asked once more, by itself.
 *
 * @param {Setting} setting
 * @param {string} redisUrl
 */
async function judge(setting, redisUrl) {
  const first = await runSuite(setting, redisUrl);
  const unexpected = first.filter((verdict) => isMiss(verdict) && !isKnown(setting, verdict));
  if (unexpected.length === 0) return first;
  say(`once more: ${unexpected.map(({ id }) => id).join(' ')}`);
  const second = await runSuite(
    setting,
    redisUrl,
    unexpected.map(({ id }) => id),
  );
  const passed = new Set(second.filter(({ isPassed }) => isPassed).map(({ id }) => id));
  return first.map((verdict) => (passed.has(verdict.id) ? { ...verdict, isPassed: true } : verdict));
}

/**
 * @param {Setting} setting
 * @param {string} redisUrl
 * @param {string[]} [only]
 * @returns {Promise<Verdict[]>}
 */
async function runSuite(setting, redisUrl, only) {
  const folder = newFolder('conformance');
  // Removed when we end, however we do.
  watchOver({ folder });
  const namespace = folder.slice(-12).replace(/[^A-Za-z0-9]/g, '-');
  const order = JSON.stringify({ ...setting, redisUrl, folder, namespace, only });
  const child = fork(SUITE, [order], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the suite ended with exit code ${code}`);
  });
  const [verdicts] = await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => {});
  return verdicts;
}

/**
 * @param {Setting} setting
 * @param {Verdict[]} verdicts
 * @returns {Verdict[]} the misses that are not in the baseline
 */
function report(setting, verdicts) {
  const { profile, processes } = setting;
  const figures = KINDS.map((kind) => {
    const all = verdicts.filter((verdict) => verdict.kind === kind);
    return `${kind} ${all.filter(({ isPassed }) => isPassed).length}/${all.length}`;
  });
  const name = `${profile}, ${processes === 1 ? 'one process' : `${processes} processes`}`;
  process.stdout.write(`${name}: ${figures.join(', ')}\n`);
  if (profile === 'rfc9111')
    process.stdout.write(
      `  ${requiredToday(verdicts)}, with the stale-close tests as they are upstream today\n`,
    );
  const misses = verdicts.filter(isMiss);
  for (const miss of misses) {
    const sign = isKnown(setting, miss) ? 'known' : 'NEW';
    process.stdout.write(`  ${sign} ${miss.kind} ${miss.id} ${miss.sign} ${miss.why ?? ''}\n`);
  }
  return misses.filter((miss) => !isKnown(setting, miss));
}

/** @param {Verdict[]} verdicts */
function requiredToday(verdicts) {
  const today = verdicts.filter(({ kind }) => kind === TODAY);
  const replaced = new Set(today.map(({ id }) => id.replace(/-today$/, '')));
  const others = verdicts.filter(({ id, kind }) => kind === 'required' && !replaced.has(id));
  const all = [...others, ...today];
  return `required ${all.filter(({ isPassed }) => isPassed).length}/${all.length}`;
}

/** Checks only ask what a cache does; there is nothing to miss. @param {Verdict} verdict */
function isMiss({ kind, isPassed }) {
  return kind !== 'check' && !isPassed;
}

/** @param {Setting} setting @param {Verdict} verdict */
function isKnown({ profile }, { id }) {
  return BASELINE[profile].includes(id);
}
