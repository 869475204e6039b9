/** The demo as a stage: server and worker on a real Postgres, and customers who log in, look, order, and change prices. */
import type { Shop } from '../demo-app/support.js';
import { type Browser, type Served, talkTo } from '../support/http.js';
import { Orders, Price } from './books.js';
import { startProgram } from './program.js';
import type { Stage, StageSettings } from './stage.js';
import type { Lane, Losses, Visit } from './traffic.js';

const LIMITER_OR_CACHE_MS = 200;
const SESSION_MS = 500;
const PASSWORD = 'demo';
/** Two for each of the lanes with accounts: a store keeps twenty sessions of one user. */
const PEOPLE = ['ada', 'alan', 'barbara', 'dennis', 'donald', 'edsger'].map((name) => `${name}@example.com`);
const READ = 20;
/** Each has one writer, who knows what its price must be. */
const FIRST_PRICED = 40;

export async function startShop(shop: Shop, { env }: StageSettings): Promise<Stage> {
  const settings = {
    DATABASE_URL: shop.url,
    SESSION_SECRET: 'a secret of these tests',
    RATE_LIMIT: '1000000',
    LOGIN_RATE_LIMIT: '1000000',
    DEMO_ORDERS: '60',
    ...env,
  };
  const [server, worker] = await Promise.all([
    startProgram('demo-app/server.ts', settings),
    startProgram('demo-app/worker.ts', settings, /listening to what happens/),
  ]);
  const served = talkTo(server.url);
  const orders = new Orders();
  const prices: Price[] = [];
  const lanes = [
    lane('none', {
      breakers: 0,
      slowestMs: LIMITER_OR_CACHE_MS,
      enter: () => reading(served, () => '/livez'),
    }),
    // No product has this id: all that it passes is the limiter.
    lane('rate-limit', {
      status: 400,
      breakers: 1,
      keys: 'rl:api:',
      slowestMs: LIMITER_OR_CACHE_MS,
      enter: () => reading(served, () => '/api/products/0'),
    }),
    lane('session', {
      needsRedis: true,
      breakers: 3,
      // Whoever is logged in is read through the cache, too.
      hasLeases: true,
      keys: 'sess:',
      slowestMs: SESSION_MS + 2 * LIMITER_OR_CACHE_MS,
      enter: (user, losses) => beingThere(served.browser(), PEOPLE[user] as string, losses),
    }),
    lane('login', {
      needsRedis: true,
      breakers: 3,
      enter: (user, losses) => comingAgain(served.browser(), PEOPLE[2 + user] as string, losses),
    }),
    lane('response-cache', {
      breakers: 2,
      keys: 'page:',
      hasLeases: true,
      slowestMs: 2 * LIMITER_OR_CACHE_MS,
      enter: () => reading(served, () => '/api/reports/monthly-revenue'),
    }),
    lane('cache-aside', {
      breakers: 2,
      keys: 'shop:',
      hasLeases: true,
      slowestMs: 2 * LIMITER_OR_CACHE_MS,
      enter: () => reading(served, (turn) => `/api/${turn % 2 ? 'users' : 'products'}/${1 + (turn % READ)}`),
    }),
    lane('orders', {
      status: 201,
      needsRedis: true,
      breakers: 2,
      enter: (user, losses) => ordering(served.browser(), PEOPLE[4 + user] as string, orders, losses),
    }),
    lane('prices', {
      breakers: 2,
      hasLeases: true,
      slowestMs: 2 * LIMITER_OR_CACHE_MS,
      enter(user, losses) {
        const price = new Price(served, FIRST_PRICED + user, losses);
        prices.push(price);
        return () => price.visit();
      },
    }),
  ];
  const lossesOf = (name: string) => lanes.find((each) => each.name === name)?.losses as Losses;
  return {
    name: 'demo',
    url: server.url,
    lanes,
    programs: [server, worker],
    async audit() {
      lossesOf('orders').writes += await orders.missing(shop);
      for (const price of prices) lossesOf('prices').writes += await price.missing(shop);
    },
  };
}

type Given = Omit<Lane, 'name' | 'users' | 'status' | 'losses' | 'enter'> & {
  readonly status?: number;
  enter(user: number, losses: Losses): Visit;
};

function lane(name: string, { enter, status = 200, ...given }: Given): Lane {
  const losses: Losses = { writes: 0, logouts: 0 };
  return { name, users: 2, status, losses, enter: (user) => enter(user, losses), ...given };
}

function reading(served: Served, pathOf: (turn: number) => string): Visit {
  let turn = 0;
  return async function read() {
    turn += 1;
    return (await served.get(pathOf(turn))).status;
  };
}

/** Logs in, which may fail while Redis or Postgres is away, and takes the time that a password takes. */
function logIn(browser: Browser, email: string) {
  return browser.send('/api/login', { body: { email, password: PASSWORD } });
}

/** Logged in once and for all: whoever is not any more was logged out. */
function beingThere(browser: Browser, email: string, losses: Losses): Visit {
  let isLoggedIn = false;
  return async function look() {
    if (!isLoggedIn) {
      const { status } = await logIn(browser, email);
      isLoggedIn = status === 200;
      return { slowStatus: status };
    }
    const { status } = await browser.get('/api/me');
    if (status !== 401) return status;
    losses.logouts += 1;
    isLoggedIn = false;
    return { slowStatus: (await logIn(browser, email)).status };
  };
}

/** A new session each time, and a look at whether it is there. */
function comingAgain(browser: Browser, email: string, losses: Losses): Visit {
  return async function comeAgain() {
    const login = await logIn(browser, email);
    if (login.status !== 200) return login.status;
    const { status } = await browser.get('/api/me');
    if (status === 401) losses.writes += 1;
    return status === 401 ? 200 : status;
  };
}

/** Customers, not guests: an order that is placed without its customer shows that they were logged out. */
function ordering(browser: Browser, email: string, orders: Orders, losses: Losses): Visit {
  let isLoggedIn = false;
  return async function order() {
    if (!isLoggedIn) {
      const { status } = await logIn(browser, email);
      isLoggedIn = status === 200;
      return isLoggedIn ? 201 : status;
    }
    const reply = await browser.send('/api/orders', { body: { items: [{ productId: 1, quantity: 1 }] } });
    if (reply.status !== 201) return reply.status;
    const { id, userId } = reply.json() as { id: number; userId: number | null };
    orders.confirm(id);
    if (userId === null) losses.logouts += 1;
    isLoggedIn = userId !== null;
    return reply.status;
  };
}
