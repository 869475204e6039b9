/** The demo on one screen: what a request passes, from top to bottom, and where each of the three middlewares stands. */
import express, { type Express } from 'express';
import type { Cache } from 'express-redis-suite/cache-aside';
import { rateLimit } from 'express-redis-suite/rate-limit';
import type { ResponseCache } from 'express-redis-suite/response-cache';
import { sessions } from 'express-redis-suite/session';
import type { SessionData } from 'express-session';
import type { Registry } from 'prom-client';
import type { Config } from './config.js';
import type { Meter } from './dashboard/meter.js';
import { dashboardRoutes } from './dashboard/routes.js';
import type { Sql } from './database/pool.js';
import type { RedisClient } from './database/redis.js';
import type { Events } from './events/events.js';
import { streamEvents } from './events/streams.js';
import { accountRoutes } from './routes/account.js';
import { refuseOtherSites, secureHeaders } from './routes/browsers.js';
import { deviceRoutes } from './routes/devices.js';
import { answerErrors, answerUnknownRoute } from './routes/errors.js';
import { healthRoutes } from './routes/health.js';
import { metricsRoute } from './routes/metrics.js';
import { orderRoutes } from './routes/orders.js';
import { productRoutes } from './routes/products.js';
import { reportRoutes } from './routes/reports.js';
import { userRoutes } from './routes/users.js';
import { welcome } from './routes/welcome.js';
import { createOrders } from './services/orders.js';
import { createProducts } from './services/products.js';
import { createReports } from './services/reports.js';
import { createUsers } from './services/users.js';

export interface Parts {
  readonly config: Pick<
    Config,
    'rateLimit' | 'loginRateLimit' | 'rateLimitWindowMs' | 'sessionSecrets' | 'redisPid'
  >;
  readonly sql: Sql;
  /** Absent: limits, sessions and caches live in this process only. */
  readonly redis: RedisClient | undefined;
  readonly events: Events;
  /** Beside the tables; what others change in them is dropped from it. */
  readonly cache: Cache;
  /** The response cache; the worker purges what it makes new. */
  readonly reportCache: ResponseCache;
  /** What this process counts and times of itself, for the dashboard and for Prometheus. */
  readonly meter: Meter;
  readonly metrics: Registry;
  readonly log: (line: string) => void;
}

const HOUR_MS = 3_600_000;
const LIFETIMES = { idleMs: HOUR_MS, absoluteMs: 8 * HOUR_MS };

export function createApp(parts: Parts): Express {
  const { config, sql, redis, events, cache, reportCache, meter, metrics, log } = parts;
  const onRedis = redis === undefined ? {} : { client: redis };
  const users = createUsers(sql, cache);
  const products = createProducts(sql, cache, events);
  const orders = createOrders(sql, events);
  const reports = createReports(sql);

  const message = { error: { message: 'too many requests: try again when Retry-After is over' } };
  const windowMs = config.rateLimitWindowMs;
  const perWindow = { ...onRedis, windowMs, message };
  const limit = rateLimit({ ...perWindow, name: 'api', limit: config.rateLimit });
  const limitFailedLogins = rateLimit({
    ...perWindow,
    name: 'login',
    limit: config.loginRateLimit,
    skipSuccessfulRequests: true,
  });
  // Not Secure: the demo listens on the loopback interface only, over plain HTTP.
  const common = { secret: config.sessionSecrets, cookie: { maxAge: LIFETIMES.idleMs, secure: false } };
  const ofUsers = {
    userId: ({ userId }: Partial<SessionData>) => userId,
    maxSessionsPerUser: 20,
    absoluteTtlMs: LIFETIMES.absoluteMs,
  };
  const shared = redis && sessions({ ...common, ...ofUsers, client: redis });
  const session = shared ?? sessions(common);
  // The dashboard looks at a session without using it, and without a 503 while Redis is away.
  const lookOnly = { disableTouch: true, onRedisDown: 'anonymous' } as const;
  const looked = redis && sessions({ ...common, ...ofUsers, ...lookOnly, client: redis });

  const app = express();
  app.disable('x-powered-by');

  app.use(secureHeaders, refuseOtherSites);
  app.use(healthRoutes(sql, redis));
  app.use(metricsRoute(metrics));
  app.use(
    dashboardRoutes({
      ...{ config, redis, products, users, reports, events, meter, reportCache },
      limiters: [
        { limiter: limit, name: 'api', what: 'requests to /api', windowMs },
        { limiter: limitFailedLogins, name: 'login', what: 'failed logins', windowMs },
      ],
      look: looked ?? session,
      lifetimes: LIFETIMES,
    }),
  );
  app.get('/', welcome);
  app.get('/events', limit, streamEvents(events));

  app.use('/api', limit, neverStore, express.json({ limit: '100kb' }));
  app.use('/api/reports', reportRoutes(reports, reportCache));
  app.use('/api/products', productRoutes(products));
  app.use('/api/users', userRoutes(users));

  // What stands above needs no session: it costs none, and with Redis down it goes on for those who are logged in.
  app.use('/api', session);
  app.use('/api', accountRoutes(users, limitFailedLogins));
  app.use('/api/devices', deviceRoutes(shared?.store));
  app.use('/api/orders', orderRoutes(orders));

  app.use(answerUnknownRoute);
  app.use(answerErrors(log));
  return app;
}

/** For browsers and proxies, unless a route says otherwise: what is cached here is cached where it can be invalidated. */
const neverStore: express.RequestHandler = function neverStore(_req, res, next) {
  res.set('Cache-Control', 'no-store');
  next();
};
