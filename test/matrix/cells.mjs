// What the tests are run on: a base line, then one thing changed at a time, then the two corners.

/**
 * @typedef {object} Cell
 * @property {string} name
 * @property {string} node a version of Node, or the newest of a major
 * @property {string[]} packages what is installed in place of package-lock.json's, such as `express@4`
 * @property {import('./servers.mjs').RedisProgram} redis
 * @property {string[]} tests patterns for jest, below test/
 */

const TYPES_4 = '@types/express@4';
const NODES = ['20', '22', '24', '26'];
const [OLDEST_NODE, NEWEST_NODE] = ['20', '26'];

/** Each feature once over, in seconds. */
const SMOKE = [
  'rate-limit/middleware',
  'session/round-trips',
  'response-cache/serving',
  'cache-aside/get-or-load',
  'metrics/metrics',
];
const ON_NODE = [
  ...['core/(clients|connect|guard)', 'rate-limit/(window|outages)', 'session/(compliance|races|at-rest)'],
  ...['response-cache/(bodies|concurrency|renewal)', 'cache-aside/(write|memory|notify)', 'package/package'],
];
const ON_EXPRESS = [
  ...['rate-limit/(drop-in|headers|refunds|validations)', 'session/(compliance|cookie|headers-wait|login)'],
  ...['session/(passport|renewal)', 'response-cache/(bodies|inner|posted|ranges|renewal|stale-if-error)'],
  ...['response-cache/(surroundings|concurrency)'],
];
const ON_CLIENT = [
  ...['core/(connect|guard)', 'rate-limit/(commands|outages|redis-store|window)', 'fill/(redis-store|tags)'],
  ...['session/(at-rest|outage|races|scripts|users)', 'response-cache/(memory|outage|storage|tags)'],
  ...['cache-aside/(memory|outage|write)'],
];
const ON_SERVER = [
  ...['core/clients', 'rate-limit/(clients|commands|keys|model|window)', 'fill/(redis-store|store|tags)'],
  ...['session/(clients|lifetime|races|scripts|tampered|users)', 'response-cache/(clients|storage|tags)'],
  ...['cache-aside/(tags|write)'],
];
const ON_IOREDIS = [
  '(core|rate-limit|response-cache|session)/clients',
  'cache-aside/many',
  'fill/tags',
  'rate-limit/window',
  'session/(defects|listing)',
];
const SESSIONS = ['session/'];
const PACKAGE = ['package/package'];

/**
 * @param {import('./servers.mjs').RedisProgram[]} servers from the oldest to the newest
 * @param {Record<string, string>} peers `peerDependencies` of package.json
 * @returns {Cell[]}
 */
export function allCells(servers, peers) {
  const base = { node: OLDEST_NODE, packages: /** @type {string[]} */ ([]), redis: first(servers) };
  const newestRedis = /** @type {import('./servers.mjs').RedisProgram} */ (servers.at(-1));
  return [
    { ...base, name: 'base line', tests: [...SMOKE, ...ON_NODE] },
    ...NODES.slice(1).map((node) => ({ ...base, name: `Node ${node}`, node, tests: [...SMOKE, ...ON_NODE] })),
    { ...base, ...express4, tests: [...SMOKE, ...ON_EXPRESS] },
    { ...base, name: 'redis 5', packages: ['redis@5'], tests: [...SMOKE, ...ON_CLIENT] },
    { ...base, name: 'ioredis 5', packages: ['ioredis@5'], tests: [...SMOKE, ...ON_IOREDIS] },
    // It asks for Node 22.
    {
      ...base,
      name: 'connect-redis 10',
      node: '22',
      packages: ['connect-redis@10'],
      tests: [...SESSIONS, ...PACKAGE],
    },
    ...servers
      .slice(1)
      .map((redis) => ({ ...base, name: redis.name, redis, tests: [...SMOKE, ...ON_SERVER] })),
    {
      ...base,
      name: 'oldest of all',
      node: '20.19.0',
      packages: [...Object.entries(peers).map(([name, range]) => `${name}@${lowest(range)}`), TYPES_4],
      tests: [...SMOKE, ...ON_EXPRESS, ...ON_CLIENT, ...PACKAGE],
    },
    {
      name: 'newest of all',
      node: NEWEST_NODE,
      packages: Object.keys(peers).map((name) => `${name}@latest`),
      redis: newestRedis,
      tests: [...SMOKE, ...ON_EXPRESS, ...ON_CLIENT, ...ON_SERVER, ...PACKAGE],
    },
  ];
}

/**
 * What takes about a minute.
 *
 * @param {import('./servers.mjs').RedisProgram[]} servers
 * @returns {Cell[]}
 */
export function quickCells(servers) {
  const redis = first(servers);
  return [
    { name: `Node ${NEWEST_NODE}`, node: NEWEST_NODE, packages: [], redis, tests: SMOKE },
    { ...express4, node: OLDEST_NODE, redis, tests: SMOKE },
  ];
}

const express4 = { name: 'Express 4', packages: ['express@4', TYPES_4] };

/** @param {string} range such as `^4.18.0 || ^5.0.0` */
function lowest(range) {
  return /\d+\.\d+\.\d+/.exec(range)?.[0] ?? range;
}

/** @param {import('./servers.mjs').RedisProgram[]} servers */
function first([server]) {
  if (!server) throw new Error('there is no Redis to try');
  return server;
}
