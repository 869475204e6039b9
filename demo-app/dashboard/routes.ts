/** The dashboard: the page at `/`, what it is fed with, and its buttons that are no routes of the shop. */
import { type Router as ExpressRouter, type Request, type Response, Router } from 'express';
import { rateLimit } from 'express-redis-suite/rate-limit';
import { type ResponseCache, responseCache } from 'express-redis-suite/response-cache';
import type { RedisSessionStore, SessionsMiddleware } from 'express-redis-suite/session';
import type { Config } from '../config.js';
import type { RedisClient } from '../database/redis.js';
import type { Events } from '../events/events.js';
import { streamEvents } from '../events/streams.js';
import { found, HttpError } from '../routes/errors.js';
import { REPORT_PATH } from '../routes/report-page.js';
import type { Products } from '../services/products.js';
import type { Reports } from '../services/reports.js';
import type { Users } from '../services/users.js';
import { assets } from './assets.js';
import { FROZEN_FOR_MS, type Freezing, openFreezer } from './freezer.js';
import type { Meter } from './meter.js';
import { type SessionLifetimes, sessionOf } from './own-session.js';
import { dashboardPage } from './page.js';
import { type ShownLimiter, windowOf } from './windows.js';

export interface DashboardParts {
  readonly config: Pick<Config, 'redisPid'>;
  readonly redis: RedisClient | undefined;
  readonly products: Products;
  readonly users: Users;
  readonly reports: Reports;
  readonly events: Events;
  readonly meter: Meter;
  /** Of the monthly revenue; the best sellers have one here. */
  readonly reportCache: ResponseCache;
  readonly limiters: readonly ShownLimiter[];
  /** Sessions that are looked at, not used. */
  readonly look: SessionsMiddleware;
  readonly lifetimes: SessionLifetimes;
}

/** What the best sellers are called in the response cache, whoever asks for them. */
const BEST_SELLERS = '/dashboard/report/cached';
/** Far more than the page asks for: its "load" is bounded, others' may not be. Requests per second and client. */
const DASHBOARD_LIMIT = 500;
const PRODUCTS_SHOWN = 6;

export function dashboardRoutes(parts: DashboardParts): ExpressRouter {
  const { redis, products, users, reports, events, meter, reportCache, limiters, look, lifetimes } = parts;
  const onRedis = redis === undefined ? {} : { client: redis };
  const limit = rateLimit({ ...onRedis, name: 'dashboard', windowMs: 1000, limit: DASHBOARD_LIMIT });
  const pages = responseCache({ ...onRedis, key: () => BEST_SELLERS });
  const { redisPid } = parts.config;
  const freezer = redis && redisPid !== undefined ? openFreezer(redis, redisPid) : undefined;
  const store = redis && (look.store as RedisSessionStore);
  const router = Router();

  router.get('/', limit, async function showPage(req, res, next) {
    res.vary('Accept');
    // In this order, for who accepts everything is curl.
    if (req.accepts(['json', 'html']) !== 'html') return next();
    // Without the database the page is still worth a look.
    const shown = await shownProducts().catch(() => []);
    res.set('Cache-Control', 'no-store').send(
      dashboardPage({
        products: shown,
        limiters,
        lifetimes,
        hasRedis: redis !== undefined,
        mayFreeze: freezer !== undefined,
      }),
    );
  });
  router.use('/assets', assets());

  const own = Router();
  router.use('/dashboard', own);

  own.use(limit, function neverStore(_req, res, next) {
    res.set('Cache-Control', 'no-store');
    next();
  });

  own.get('/events', streamEvents(together(events, meter)));

  own.get('/samples', function showSamples(_req, res) {
    res.json({ samples: meter.samples() });
  });

  own.get('/windows', async function showWindows(req, res) {
    res.json(await Promise.all(limiters.map((shown) => windowOf(shown, redis, req))));
  });

  own.get('/session', look, async function showSession(req, res) {
    res.json(await sessionOf(req, { users, lifetimes, store }));
  });

  own.get('/prices', async function showPrices(_req, res) {
    res.json(await shownProducts());
  });

  // Something through the cache beside the tables, which costs nobody's limit.
  own.get('/product', async function showProduct(_req, res) {
    res.json(found(await products.find(1), 'product'));
  });

  // The same handler twice: all that differs is the cache before it.
  own.get('/report/cached', meter.time('cached'), pages, showBestSellers);
  own.get('/report/uncached', meter.time('uncached'), showBestSellers);

  own.post('/purge', async function purgePages(_req, res) {
    try {
      await Promise.all([pages.purge(BEST_SELLERS), reportCache.purge(REPORT_PATH)]);
    } catch {
      throw new HttpError(503, 'the response cache is away: try again in a moment');
    }
    res.json({ purged: [BEST_SELLERS, REPORT_PATH] });
  });

  own.post('/freeze', async function freezeRedis(_req, res) {
    if (freezer === undefined) throw new HttpError(501, 'this Redis was not started by the demo');
    const outcome = await freezer.freeze();
    if (outcome !== 'frozen') throw new HttpError(409, WHY_NOT[outcome]);
    res.status(202).json({ frozenForMs: FROZEN_FOR_MS });
  });

  async function shownProducts() {
    return (await products.list()).slice(0, PRODUCTS_SHOWN);
  }

  async function showBestSellers(_req: Request, res: Response) {
    res
      .set('Cache-Control', 'public, max-age=5, stale-while-revalidate=10')
      .json({ bestSellers: await reports.bestSellers() });
  }

  return router;
}

const WHY_NOT: Readonly<Record<Exclude<Freezing, 'frozen'>, string>> = {
  already: 'Redis is frozen already',
  'not-ours': 'Redis does not answer as the process that the demo started: try again in a moment',
};

/** What happens in the shop and what this process measures, on one connection: browsers open few. */
function together(events: Events, meter: Meter) {
  return {
    follow(onEvent: (event: { readonly kind: string }) => void, onEnd?: () => void) {
      meter.follow(onEvent);
      events.follow(onEvent, onEnd);
    },
  };
}
