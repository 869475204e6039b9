/** `/api/devices`: where somebody is logged in, and a way to end it there. */
import { type Router as ExpressRouter, type Request, Router } from 'express';
import type { RedisSessionStore } from 'express-redis-suite/session';
import { HttpError } from './errors.js';

/** @param store undefined without Redis: then nobody knows of other devices */
export function deviceRoutes(store: RedisSessionStore | undefined): ExpressRouter {
  const router = Router();

  router.get('/', async function listDevices(req, res) {
    const { sessions, userId } = askedBy(req);
    res.json(await sessions.list(userId, req.sessionID));
  });

  // All but the one that asks.
  router.delete('/', async function leaveOtherDevices(req, res) {
    const { sessions, userId } = askedBy(req);
    res.json({ ended: await sessions.revoke(userId, { except: req.sessionID }) });
  });

  router.delete('/:handle', async function leaveDevice(req, res) {
    const { sessions, userId } = askedBy(req);
    const ended = await sessions.revoke(userId, req.params.handle);
    if (ended === 0) throw new HttpError(404, 'there is no such device');
    res.json({ ended });
  });

  function askedBy(req: Request<object>): { sessions: RedisSessionStore; userId: number } {
    const { userId } = req.session;
    if (userId === undefined) throw new HttpError(401, 'nobody is logged in');
    if (store === undefined)
      throw new HttpError(501, 'the list of devices is in Redis, and this demo has none');
    return { sessions: store, userId };
  }

  return router;
}
