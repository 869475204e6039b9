// Runs the public suite once against an app of one or more processes, and tells its verdicts.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs';
import { determineTestResult } from 'http-cache-tests/lib/display.mjs';
import suites from 'http-cache-tests/tests/index.mjs';
import fetch from 'node-fetch';

const APP = fileURLToPath(new URL('app-process.mjs', import.meta.url));
const TOGETHER = 60;
/** The suite's signs for a test that is passed, and for a question that is answered with yes. */
const PASSED = ['✅', 'Y'];

const { processes, only, ...setting } = JSON.parse(process.argv[2]);
process.on('disconnect', () => process.exit());

const ports = await Promise.all(Array.from({ length: processes }, () => startApp()));
const chosen = suites.map((suite) => ({ ...suite, tests: suite.tests.filter(isAskedFor) }));
await runTests(chosen, fetchInTurn, false, '', TOGETHER);
process.send(verdicts(), () => process.exit());

/** @returns {Promise<number>} the port */
async function startApp() {
  const child = fork(APP, [JSON.stringify(setting)], { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
  const [message] = await once(child, 'message');
  return message.port;
}

/** @param {{ id: string }} test */
function isAskedFor({ id }) {
  return only === undefined || only.includes(id);
}

/**
 * The requests of one test go to the processes in turn, all of them to the same host as far as the cache can tell.
 *
 * @param {string} path
 * @param {{ headers?: string[][] }} init
 */
function fetchInTurn(path, { headers = [], ...init } = {}) {
  const turn = Number(headers.find(([name]) => name === 'Req-Num')?.[1] ?? 0);
  const withHost = [...headers, ['Host', 'conformance.test']];
  return fetch(`http://127.0.0.1:${ports[turn % ports.length]}${path}`, { ...init, headers: withHost });
}

function verdicts() {
  const results = getResults();
  return suites
    .flatMap(({ tests }) => tests)
    .filter(({ id }) => id in results)
    .map(({ id, kind = 'required' }) => {
      const [, , sign] = determineTestResult(suites, id, results, only === undefined);
      return { id, kind, isPassed: PASSED.includes(sign), sign, why: [results[id]].flat()[1] };
    });
}
