/** Where a limiter keeps its hits: in Redis, in a foreign store, or in this process. */
import { guardRedis } from '../core/guard.js';
import { namespacePrefix } from '../core/keys.js';
import type { Denials } from './denials.js';
import { MemoryWindow } from './memory-window.js';
import type { Options } from './options.js';
import { claimName, RedisWindow } from './redis-window.js';
import type { ResolvedOptions } from './resolve-options.js';
import { asStore, StoreWindow, startStore } from './store-window.js';
import type { Shape, Window } from './window.js';

interface Choice {
  readonly window: Window;
  readonly source: 'redis' | 'store' | 'memory';
  readonly scope: unknown;
  /** What is known of denials by Redis. */
  readonly denials?: Denials;
}

export function chooseWindow(options: ResolvedOptions): Choice {
  const { client, windowMs, name, isNamed, namespace, deadlineMs, validations } = options;
  if (options.store !== undefined) {
    const store = asStore(options.store);
    validations.checkStore(store);
    startStore(store, options as unknown as Options, options.logger);
    const window = new StoreWindow(store, windowMs, (hits) => validations.checkHits(hits));
    const scope = store.localKeys ? store : `${store.constructor.name} ${store.prefix ?? ''}`;
    return { window, source: 'store', scope };
  }
  if (client === undefined) {
    const window = new MemoryWindow(shapeOf(options));
    return { window, source: 'memory', scope: window };
  }
  const prefix = `${namespacePrefix(namespace)}rl:${name}:`;
  const guard = guardRedis(client, { feature: 'rate-limit', deadlineMs });
  const scope = claimName(client, prefix, name, windowMs);
  if (!isNamed) validations.checkName(scope);
  const window = new RedisWindow(guard, prefix, shapeOf(options));
  return { window, source: 'redis', scope, denials: scope.denials };
}

/** @param share what is left of a further limit where this process is on its own */
export function shapeOf(
  options: ResolvedOptions,
  share: (limit: number) => number = (limit) => limit,
): Shape {
  const { windowMs, policies, blockMs, resolution } = options;
  const further = policies.slice(1).map((policy) => ({ ...policy, limit: share(policy.limit) }));
  return { windowMs, further, blockMs, resolution };
}
