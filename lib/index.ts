/** The public surface on one screen: the three middlewares first, then the companions. */

export * from './cache-aside/index.js';
export * from './rate-limit/index.js';
export * from './redis/index.js';
export * from './response-cache/index.js';
export * from './session/index.js';
