/** `/api/reports`: the same for everyone, and new only when the worker has made it anew: made for a response cache. */
import { type Router as ExpressRouter, type RequestHandler, Router } from 'express';
import type { Reports } from '../services/reports.js';

export function reportRoutes(reports: Reports, cache: RequestHandler): ExpressRouter {
  const router = Router();

  router.get('/monthly-revenue', cache, async function showMonthlyRevenue(_req, res) {
    const report = await reports.monthlyRevenue();
    // `public`: shared with those who send a session cookie, too.
    res.set('Cache-Control', 'public, max-age=60').json(report);
  });

  return router;
}
