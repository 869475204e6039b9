/** `/livez`: this process answers. `/readyz`: it can serve, which takes Postgres, and does not take Redis. */
import { type Router as ExpressRouter, Router } from 'express';
import type { Sql } from '../database/pool.js';
import type { RedisClient } from '../database/redis.js';
import { within } from '../database/within.js';

const POSTGRES_WITHIN_MS = 2000;
const REDIS_WITHIN_MS = 250;

export function healthRoutes(sql: Sql, redis: RedisClient | undefined): ExpressRouter {
  const router = Router();

  router.use(function neverStore(_req, res, next) {
    res.set('Cache-Control', 'no-store');
    next();
  });

  router.get('/livez', function showLiveness(_req, res) {
    res.json({ status: 'ok' });
  });

  router.get('/readyz', async function showReadiness(_req, res) {
    const [fromPostgres, fromRedis] = await Promise.all([
      within(POSTGRES_WITHIN_MS, () => sql`select ${1}::integer`),
      within(REDIS_WITHIN_MS, async () => redis?.ping()),
    ]);
    const isPostgresUp = fromPostgres !== undefined;
    const status = { postgres: isPostgresUp ? 'up' : 'down', redis: fromRedis === undefined ? 'down' : 'up' };
    if (redis === undefined) status.redis = 'not used';
    if (!isPostgresUp) res.status(503).set('Retry-After', '1');
    res.json({ status: isPostgresUp ? 'ready' : 'not ready', ...status });
  });

  return router;
}
