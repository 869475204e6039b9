/** One key of each kind that docs/operations.md lists, made by the features themselves in a Redis of its own. */
import express, { type Express, type Request } from 'express';
import { createCache } from '../../lib/cache-aside/index.js';
import { rateLimit } from '../../lib/rate-limit/index.js';
import { responseCache } from '../../lib/response-cache/index.js';
import { login, logout, sessions } from '../../lib/session/index.js';
import { onTestEnd } from '../support/cleanup.js';
import { serve } from '../support/http.js';
import type { TestClient } from '../support/redis.js';
import { until } from '../support/until.js';

const UNHURRIED = { deadlineMs: 10_000 };
const COMMON = { ...UNHURRIED, secret: 'only for this test', rolling: false };
const FROM_A_CLIENT = {
  host: 'shop.example',
  'x-forwarded-proto': 'https',
  'x-forwarded-for': '203.0.113.7',
};

export async function makeAllKeys(client: TestClient): Promise<void> {
  const { app, endPost } = shopOn(client);
  const site = await serve(app);
  const cache = createCache({ ...UNHURRIED, client, namespace: 'shop', ttlMs: 60_000 });
  await cache.getOrLoad('user:42', async () => ({ id: 42 }), { tags: ['catalogue'] });

  for (const path of ['/reports/2026', '/account']) await site.get(path, FROM_A_CLIENT);
  const user = site.browser();
  for (const path of ['/login', '/logout', '/login', '/sealed']) await user.get(path, FROM_A_CLIENT);

  // Only while it is under way.
  const posting = site.send('/search', { method: 'POST', headers: FROM_A_CLIENT, body: 'shoes' });
  onTestEnd(async () => {
    endPost();
    await posting;
  });
  for (const pattern of ['page:*:post', 'page-miss:*'])
    await until(async () => (await client.keys(pattern)).length === 1);
}

function shopOn(client: TestClient): { app: Express; endPost: () => void } {
  const app = express();
  const shared = { ...UNHURRIED, client };
  const pages = responseCache(shared);
  const searches = responseCache({ ...shared, profile: 'rfc9111' });
  const userId = (session: object) => (session as { user?: string }).user;
  let endPost = () => {};
  app.set('trust proxy', 1);
  app.use(rateLimit({ ...shared, name: 'api', limit: 100 }));
  app.get('/reports/:year', pages, (_req, res) => {
    res.cacheTags('catalogue');
    res.set('Cache-Control', 'public, max-age=60').send('report');
  });
  app.get('/account', pages, (_req, res) => void res.set('Cache-Control', 'private').send('mine'));
  app.post('/search', searches, (_req, res) => {
    endPost = () => void res.send('found');
  });
  const sealing = { hashIds: 'h'.repeat(40), encryption: { keys: ['s'.repeat(40)] } };
  const enter = (req: Request) => login(req, { user: '42' } as never);
  app.get('/sealed', sessions({ ...COMMON, ...sealing, client, name: 'sealed' }), (req, res) =>
    enter(req).then(() => void res.send('in')),
  );
  app.use(sessions({ ...COMMON, client, userId }));
  app.get('/login', (req, res) => enter(req).then(() => void res.send('in')));
  app.get('/logout', (req, res) => logout(req).then(() => void res.send('out')));
  return { app, endPost: () => endPost() };
}
