/** Web cache deception: a page of one's own, asked for under a name that looks like everybody's, is kept for nobody. */
import { describe, expect, it } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import { responseCache } from 'express-redis-suite/response-cache';
import { login, sessions } from 'express-redis-suite/session';
import { SECRET } from '../session/support.js';
import { serve } from '../support/http.js';
import { connect, uniqueNamespace } from '../support/redis.js';

const disguises = [
  '/account/x.css',
  '/account/x.js?v=1',
  '/account/favicon.ico',
  '/account/robots.txt',
  '/account;x.css',
  '/account%2Fx.css',
  '/account/%2e%2e/static/x.css',
  '/account%00.png',
];

describe.each([
  ['a route that declares nothing, under ttl', {}],
  ['a route that declares a lifetime', { 'Cache-Control': 'max-age=60' }],
])('%s', (_name, headers) => {
  it.each(disguises)('keeps nothing of %s for others', async (path) => {
    const client = await connect();
    const namespace = uniqueNamespace();
    const patient = { deadlineMs: 10_000 };
    const app = express();
    app.use(sessions({ client, prefix: `${namespace}:sess:`, secret: SECRET, ...patient }) as RequestHandler);
    app.get('/login', async (req, res) => {
      await login(req, { user: 'ada' } as never);
      res.end();
    });
    app.use(responseCache({ client, namespace, ttl: 60_000, ...patient }) as RequestHandler);
    app.use((req, res) => {
      const { user = 'nobody' } = req.session as { user?: string };
      res
        .set(headers)
        .type(path.endsWith('css') ? 'css' : 'html')
        .send(`account of ${user}`);
    });
    const site = await serve(app);
    const victim = site.browser();
    await victim.get('/login');
    expect((await victim.get(path)).text).toBe('account of ada');
    expect((await victim.get(path)).text).toBe('account of ada');
    expect((await site.get(path)).text).toBe('account of nobody');
    // What is kept for nobody is not shown to ada either.
    expect((await victim.get(path)).text).toBe('account of ada');
  });
});
