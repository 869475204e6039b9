/** Which features do without Redis just now, as they publish it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** Why, by feature, for those that do without. */
export type Outages = Readonly<Record<string, string>>;

interface StateEvent {
  readonly feature: string;
  readonly state: 'up' | 'down';
  readonly reason?: string;
}

const CHANNEL = 'express-redis-suite:redis-state';

/** @param onChange told what is so from now on */
export function watchOutages(onChange: (outages: Outages) => void): { now(): Outages; close(): void } {
  const reasons = new Map<string, string>();
  const now = () => Object.fromEntries(reasons);

  function note(event: unknown) {
    const { feature, state, reason = 'unknown' } = event as StateEvent;
    if (state === 'up') reasons.delete(feature);
    else reasons.set(feature, reason);
    onChange(now());
  }

  subscribe(CHANNEL, note);
  return { now, close: () => void unsubscribe(CHANNEL, note) };
}
