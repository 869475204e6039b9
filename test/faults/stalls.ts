/** When a process could not run, for want of a processor or because it blocked itself: what happens then is nobody else's doing. */

/** From and to, in milliseconds since 1970, so that the processes of one machine agree. */
export type Stall = readonly [from: number, to: number];

const LOOK_EVERY_MS = 10;
/** Timers are that late on any machine. */
const USUAL_MS = 5;
const MOST_STALLS = 20_000;

export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Notes every stall of this process from now on; the returned array grows. */
export function watchStalls(): { readonly stalls: readonly Stall[]; stop(): void } {
  const stalls: Stall[] = [];
  let dueAt = nowMs() + LOOK_EVERY_MS;
  const timer = setInterval(function look() {
    const now = nowMs();
    if (now - dueAt > USUAL_MS) stalls.push([dueAt, now]);
    if (stalls.length > MOST_STALLS) stalls.shift();
    dueAt = now + LOOK_EVERY_MS;
  }, LOOK_EVERY_MS).unref();
  return { stalls, stop: () => clearInterval(timer) };
}

/** How long something took, without the time in which one of the processes stood still. */
export function msWithout(stalls: readonly Stall[], fromMs: number, toMs: number): number {
  let ms = toMs - fromMs;
  let countedTo = fromMs;
  for (const [from, to] of stalls) {
    const begin = Math.max(from, countedTo);
    const end = Math.min(to, toMs);
    if (end <= begin) continue;
    ms -= end - begin;
    countedTo = end;
  }
  return ms;
}

/** The part of that time in which one of the processes stood still. */
export function shareOf(stalls: readonly Stall[], fromMs: number, toMs: number): number {
  return 1 - msWithout(stalls, fromMs, toMs) / (toMs - fromMs);
}

/** Of several processes, in their order. */
export function merged(...lists: readonly (readonly Stall[])[]): Stall[] {
  return lists.flat().sort(([a], [b]) => a - b);
}
