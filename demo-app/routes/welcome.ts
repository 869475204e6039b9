/** `/` for curl: what there is to try. Browsers get the dashboard. */
import type { RequestHandler } from 'express';

const ROUTES = {
  'GET /api/products': 'fifty products, through the cache: one query for those that it does not have',
  'GET /api/products/:id': 'one product, through the cache',
  'PUT /api/products/:id/price {price}': 'write-through: in the cache by the time it is confirmed',
  'GET /api/users/:id': 'one user, through the cache',
  'PATCH /api/users/:id {name}': 'a write after which nobody is served the old row',
  'GET /api/reports/monthly-revenue':
    'every order added up by the worker, behind the response cache: ask twice, see Cache-Status and refreshedAt',
  'POST /api/login {email, password}': 'try ada@example.com with the password demo',
  'GET /api/me': 'who is logged in',
  'GET /api/devices': 'where you are logged in',
  'DELETE /api/devices/:handle': 'end it there; without a handle: everywhere else',
  'POST /api/logout': 'end the session',
  'POST /api/orders {items: [{productId, quantity}]}': 'place an order',
  'GET /api/orders/:id': 'look at it',
  'PATCH /api/orders/:id {status}': 'placed, paid, shipped, delivered, or cancelled',
  'GET /events': 'what happens in the shop, as server-sent events: curl -N, then place an order',
  'GET /': 'the dashboard, in a browser',
  'GET /metrics': 'what the middlewares did, for Prometheus',
  'GET /livez': 'whether the process answers',
  'GET /readyz': 'whether Postgres and Redis do',
};

export const welcome: RequestHandler = function welcome(_req, res) {
  res.json({ routes: ROUTES });
};
