/** `/metrics`: what the middlewares of this process did, for Prometheus. A real shop would not show it to everyone. */
import { type Router as ExpressRouter, Router } from 'express';
import type { Registry } from 'prom-client';

export function metricsRoute(registry: Registry): ExpressRouter {
  const router = Router();

  router.get('/metrics', async function showMetrics(_req, res) {
    const text = await registry.metrics();
    res.set({ 'Content-Type': registry.contentType, 'Cache-Control': 'no-store' }).send(text);
  });

  return router;
}
