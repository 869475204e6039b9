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
const TODAY = '-today';

const { processes, only, ...setting } = JSON.parse(process.argv[2]);
process.on('disconnect', () => process.exit());

/** These ask for a 200 from a handler that hung up. */
const HUNG_UP = /^stale-close-/;

const ports = await Promise.all(Array.from({ length: processes }, () => startApp()));
const asked = setting.profile === 'rfc9111' ? [...suites, asToday(suites)] : suites;
const chosen = asked.map((suite) => ({ ...suite, tests: suite.tests.filter(isAskedFor) }));
await runTests(chosen, fetchInTurn, false, '', TOGETHER);
process.send(verdicts(), () => process.exit());

/** @returns {Promise<number>} the port */
async function startApp() {
  const child = fork(APP, [JSON.stringify(setting)], { execArgv: ['--import', 'tsx'], stdio: 'inherit' });
  const [message] = await once(child, 'message');
  return message.port;
}

/**
 * The tests of hang-ups as they stand in the suite's repository today: whatever is answered, it is not the stored page.
 * Since this release cannot say that of a status, they ask for the one that the letter of the standard wants.
 */
function asToday(suites) {
  const tests = suites.flatMap(({ tests }) => tests).filter(({ id }) => HUNG_UP.test(id));
  return { id: 'today', tests: tests.map(withTodaysEnd) };
}

function withTodaysEnd({ depends_on, ...test }) {
  const [setup] = test.requests;
  const end = {
    disconnect: true,
    expected_status: 504,
    check_body: false,
    expected_response_headers_missing: ['server-request-count'],
  };
  return { ...test, id: `${test.id}${TODAY}`, requests: [setup, end] };
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
  return asked
    .flatMap(({ tests }) => tests)
    .filter(({ id }) => id in results)
    .map(({ id, kind = 'required' }) => {
      const [, , sign] = determineTestResult(asked, id, results, only === undefined);
      return {
        id,
        kind: id.endsWith(TODAY) ? 'today' : kind,
        isPassed: PASSED.includes(sign),
        sign,
        why: [results[id]].flat()[1],
      };
    });
}
