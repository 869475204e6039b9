/** How Redis is, what each feature does meanwhile, and a button that freezes it. */
import { latency } from './format.js';
import { ask, element, onPress, pause, say, trouble } from './server.js';
import { look } from './session.js';

const WHY = {
  deadline: 'no answer in time',
  connection: 'the connection failed',
  'not-ready': 'not connected',
  loading: 'loading its data',
};
const ROWS = [...document.querySelectorAll('#redis tr[data-feature]')];
/** Long enough to see it come back. */
const WATCH_FOR_MS = 6000;
const ASK_EVERY_MS = 400;

/** A second each. */
const PINGS_KEPT = 10;
let pings = [];
const isUsed = element('redis').dataset.redis === 'yes';

export function startRedis() {
  onPress('freeze', freeze);
}

export function showPing({ pingMs, outages }) {
  if (!isUsed) return;
  if (pingMs === null) pings = [];
  else pings = [...pings, pingMs].slice(-PINGS_KEPT);
  say('ping', pingMs === null ? 'no answer' : latency(median(pings)));
  showOutages({ outages });
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

let wasAway = false;

export function showOutages({ outages }) {
  if (!isUsed) return;
  const away = ROWS.filter(({ dataset }) => outages[dataset.feature] !== undefined);
  for (const row of ROWS) showFeature(row, outages[row.dataset.feature]);
  const isAway = away.length > 0;
  const pill = element('redis-pill');
  // What it took to answer a second ago is no news any more.
  if (isAway) say('ping', 'no answer');
  pill.dataset.state = isAway ? 'away' : 'live';
  say('redis-pill', isAway ? `Redis is away for ${away.length} of ${ROWS.length}` : 'Redis in use');
  if (isAway !== wasAway) {
    say('redis-said', isAway ? 'Redis is away; the shop goes on without it.' : 'Redis is in use again.');
    if (!isAway) look();
  }
  wasAway = isAway;
}

function showFeature(row, reason) {
  const isAway = reason !== undefined;
  row.classList.toggle('away', isAway);
  const now = row.querySelector('[data-cell="now"]');
  const text = isAway ? `goes without: ${WHY[reason] ?? reason}` : 'uses Redis';
  if (now.textContent !== text) now.textContent = text;
}

/** What no request needs does not notice: so this asks for something of each feature while Redis is frozen. */
async function freeze() {
  const answer = await ask('/dashboard/freeze', { method: 'POST' });
  if (!answer.ok) return say('freeze-said', trouble(answer));
  say('freeze-said', `Frozen for ${answer.body.frozenForMs / 1000} s.`);
  const until = performance.now() + WATCH_FOR_MS;
  let [asked, slowestMs] = [0, 0];
  while (performance.now() < until) {
    const began = performance.now();
    const answers = await Promise.all([ask('/dashboard/report/cached'), ask('/dashboard/product'), look()]);
    asked += answers.length;
    slowestMs = Math.max(slowestMs, performance.now() - began);
    await pause(ASK_EVERY_MS);
  }
  say('freeze-said', `Thawed. ${asked} requests meanwhile, the slowest took ${latency(slowestMs)}.`);
}
