/** How long past its freshness lifetime a response may still be served (RFC 5861; RFC 9111, 4.2.4). */
import { type Directives, deltaSeconds } from './cache-control.js';

/** While somebody asks for a new one; because the handler answered with an error; because it closed the connection. */
export type StaleBecause = 'while-revalidate' | 'if-error' | 'closed';

export interface StaleRules {
  /** For responses without stale-while-revalidate, in milliseconds. */
  readonly swrMs: number | undefined;
  /** For responses without stale-if-error, in milliseconds. */
  readonly staleIfErrorMs: number | undefined;
  /** RFC 9111, 4.2.4: a cache that is disconnected may serve what is stale, though nobody said so. */
  readonly servesStaleWhenClosed: boolean;
}

/** What nobody limits ends somewhere. */
const UNDECLARED_MS = 3_600_000;

/** RFC 9111, 4.2.4: these prohibit it; s-maxage implies proxy-revalidate (5.2.2.10). */
const FORBIDDING = ['no-cache', 'must-revalidate', 'proxy-revalidate', 's-maxage'];

export function forbidsStale(directives: Directives): boolean {
  return FORBIDDING.some((name) => directives.has(name));
}

/** In milliseconds; 0: not at all. */
export function staleWindowMs(directives: Directives, rules: StaleRules, because: StaleBecause): number {
  if (forbidsStale(directives)) return 0;
  if (because === 'while-revalidate')
    return declaredMs(directives, 'stale-while-revalidate') ?? rules.swrMs ?? 0;
  if (because === 'closed' && rules.servesStaleWhenClosed) return UNDECLARED_MS;
  return declaredMs(directives, 'stale-if-error') ?? rules.staleIfErrorMs ?? 0;
}

export function longestStaleMs(directives: Directives, rules: StaleRules): number {
  const windows = (['while-revalidate', 'if-error', 'closed'] as const).map((because) =>
    staleWindowMs(directives, rules, because),
  );
  return Math.max(...windows);
}

function declaredMs(directives: Directives, name: string): number | undefined {
  const seconds = deltaSeconds(directives, name);
  return seconds === undefined ? undefined : seconds * 1000;
}
