/** Of several caches that a request comes through, the last one keeps the page: its route's options are about that page. */
import type { ServerResponse } from 'node:http';

/** Why a cache in front of another one stores nothing. Other processes are not told: it holds for the one in front only. */
export const INNER_CACHE = 'inner-cache';

/** What those in front do when the request comes to one behind them: two at once would wait for each other's lease. */
const inFront = new WeakMap<ServerResponse, (() => void)[]>();

/** `stepBack` is called once if another cache takes the request on. */
export function giveWay(res: ServerResponse, stepBack: () => void): void {
  inFront.set(res, [...(inFront.get(res) ?? []), stepBack]);
}

export function takeOver(res: ServerResponse): void {
  const acts = inFront.get(res);
  if (acts === undefined) return;
  inFront.delete(res);
  for (const stepBack of acts) stepBack();
}
