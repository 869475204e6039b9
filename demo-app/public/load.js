/** Two buttons that send many requests, bounded in number and in time: load on the report, and hammering the shop. */
import { count } from './format.js';
import { ask, onPress, pause, say, trouble } from './server.js';
import { lookAtWindows } from './windows.js';

const LOAD_FOR_MS = 15_000;
/** One client per route: what is answered quickly is asked for more often. */
const BETWEEN_MS = 10;

const HAMMERED = '/api/products/1';
const HAMMERS = 4;
/** Beyond the limit, to see that denials are cheap. */
const MOST_HITS = 1000;
const DENIALS_ENOUGH = 12;

export function startLoad() {
  onPress('load', load);
  onPress('hammer', hammer);
}

async function load() {
  const until = performance.now() + LOAD_FOR_MS;
  const answered = { cached: 0, uncached: 0 };
  say('load-said', 'Asking…');
  await Promise.all(
    Object.keys(answered).map(async function client(route) {
      while (performance.now() < until) {
        const began = performance.now();
        const answer = await ask(`/dashboard/report/${route}`);
        if (answer.ok) answered[route] += 1;
        else await pause(250);
        await pause(BETWEEN_MS - (performance.now() - began));
      }
    }),
  );
  say('load-said', `${count(answered.cached)} answers with the cache, ${count(answered.uncached)} without.`);
}

async function hammer() {
  let [sent, passed, denied] = [0, 0, 0];
  let last;
  say('hammer-said', 'Hammering…');
  async function hit() {
    while (sent < MOST_HITS && denied < DENIALS_ENOUGH) {
      sent += 1;
      last = await ask(HAMMERED);
      if (last.status === 429) denied += 1;
      else if (last.ok) passed += 1;
      else return;
      if (sent % 10 === 0) lookAtWindows();
    }
  }
  await Promise.all(Array.from({ length: HAMMERS }, hit));
  lookAtWindows();
  const isWell = last === undefined || last.ok || last.status === 429;
  say('hammer-said', isWell ? `${passed} passed, ${denied} denied.` : trouble(last));
}
