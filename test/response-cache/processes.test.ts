// Real processes on one Redis: one run of the handler among them all, whatever becomes of the process that runs it.
import { once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { type Fleet, type Ship, startFleet } from './fleet.js';
import { isHit } from './site.js';

const textOf = ({ text }: { text: string }) => text;

/** `times` requests at each process at once. */
function askAll({ ships }: Fleet, path: string, times: number) {
  return Promise.all(ships.flatMap((ship) => Array.from({ length: times }, () => ship.get(path))));
}

async function kill({ child }: Ship): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('four processes', () => {
  it('run a handler once for 50 requests at each for one page, ten times out of ten', async () => {
    const fleet = await startFleet(4);
    for (let round = 1; round <= 10; round += 1) {
      const replies = await askAll(fleet, `/page/${round}?ms=150`, 50);
      expect(new Set(replies.map(textOf)).size).toBe(1);
      expect(fleet.runs).toHaveLength(round);
    }
  }, 60_000);

  it('run it once for a page that chooses by a header, known beforehand or not', async () => {
    const fleet = await startFleet(4);
    const replies = await askAll(fleet, '/page?ms=150&vary=Accept-Language', 20);
    expect(new Set(replies.map(textOf)).size).toBe(1);
    expect(fleet.runs).toHaveLength(1);
  }, 60_000);

  it('run it once more when the process that runs it is killed', async () => {
    const fleet = await startFleet(4);
    const asked = askAll(fleet, '/page?ms=500', 50).catch(() => []);
    await fleet.ran(1);
    const [{ by: leader } = { by: undefined }] = fleet.runs;
    const others = fleet.ships.filter((ship) => ship !== leader);
    const answered = Promise.all(others.map((ship) => ship.get('/page?ms=500')));
    await kill(leader as Ship);
    await asked;
    expect(new Set((await answered).map(textOf)).size).toBe(1);
    expect(fleet.runs).toHaveLength(2);
  }, 60_000);

  it('answer everybody on their own when the page is for nobody else, and wait for it once', async () => {
    const fleet = await startFleet(4);
    const startedAt = performance.now();
    const replies = await askAll(fleet, '/page?ms=300&as=private', 10);
    expect(new Set(replies.map(textOf)).size).toBe(40);
    // One after the other they would take 12 s.
    expect(performance.now() - startedAt).toBeLessThan(6_000);
    expect(replies.some(isHit)).toBe(false);
  }, 60_000);
});

describe('an answer that has begun elsewhere and does not end', () => {
  it('is not waited for', async () => {
    const fleet = await startFleet(2);
    const [first, second] = fleet.ships as [Ship, Ship];
    const early = first.get('/page?drip=6000');
    await fleet.ran(1);
    const startedAt = performance.now();
    const late = second.get('/page?drip=6000');
    await fleet.ran(2);
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    await Promise.all([early, late]);
    expect(isHit(await second.get('/page?drip=6000'))).toBe(true);
  }, 60_000);
});

describe('a purge', () => {
  it('while another process fetches the page has those who wait for it ask again', async () => {
    const fleet = await startFleet(2);
    const [first, second] = fleet.ships as [Ship, Ship];
    const early = first.get('/page?ms=700');
    await fleet.ran(1);
    const waiting = second.get('/page?ms=700');
    first.child.send({ purge: 'http://shop.example/page?ms=700' });
    await fleet.ran(2);
    expect((await waiting).text).not.toBe((await early).text);
    expect((await second.get('/page?ms=700')).text).toBe((await waiting).text);
  }, 60_000);
});
