/** `/assets`: the page's own files, and those of the plot library straight from its package. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import express, { type Router as ExpressRouter, Router } from 'express';

const PUBLIC = fileURLToPath(new URL('../public', import.meta.url));
const UPLOT = dirname(createRequire(import.meta.url).resolve('uplot'));

export function assets(): ExpressRouter {
  const router = Router();
  const options = { index: false, redirect: false, dotfiles: 'ignore' } as const;
  // Asked for each time, and mostly answered with 304: what was edited shows at once.
  router.use('/', express.static(PUBLIC, { ...options, cacheControl: false, setHeaders: revalidate }));
  router.use('/uplot', express.static(UPLOT, { ...options, maxAge: '1d' }));
  return router;
}

function revalidate(res: express.Response): void {
  res.set('Cache-Control', 'no-cache');
}
