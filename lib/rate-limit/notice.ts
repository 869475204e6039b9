/** Says in production, once per log, that processes without Redis limit each for itself. */
import type { Logger } from './options.js';
import type { ResolvedOptions } from './resolve-options.js';

const told = new WeakSet<Logger>();

export function sayProcessesAreAlone({ client, store, logger }: ResolvedOptions): void {
  if (client !== undefined || store !== undefined || process.env.NODE_ENV !== 'production') return;
  if (told.has(logger)) return;
  told.add(logger);
  logger.warn('rate-limit: no `client`, so every process counts for itself and forgets when it restarts.');
}
