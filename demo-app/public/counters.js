/** What the caches did since the start of the server: a row per outcome. */
import { count } from './format.js';
import { ask, element, onPress, say, trouble } from './server.js';

export function startCounters() {
  onPress('purge', async () => {
    const answer = await ask('/dashboard/purge', { method: 'POST' });
    say('purge-said', answer.ok ? 'Purged: the next one is a miss.' : trouble(answer));
  });
}

export function showCounts({ pages, values, bypasses }) {
  fill('pages', pages);
  fill('values', values);
  const reasons = Object.entries(bypasses).map(([reason, times]) => `${reason} ${count(times)}`);
  say('bypasses', reasons.length === 0 ? '' : `Bypassed because: ${reasons.join(', ')}`);
}

function fill(id, counts) {
  const all = Object.values(counts).reduce((sum, times) => sum + times, 0);
  for (const row of element(id).querySelectorAll('tr[data-outcome]')) {
    const times = counts[row.dataset.outcome] ?? 0;
    row.querySelector('[data-cell="count"]').textContent = count(times);
    row.querySelector('.bar').style.setProperty('--share', all === 0 ? '0' : String(times / all));
  }
}
