/** `/api/users`: a cached read, and a write that no reader can see the old row after. */
import { type Router as ExpressRouter, Router } from 'express';
import type { Users } from '../services/users.js';
import { found } from './errors.js';
import { asText, bodyOf, idOf } from './input.js';

/** Open to everyone, so that curl can try the cache: a real shop would ask who is logged in first, as `/api/me` does. */
export function userRoutes(users: Users): ExpressRouter {
  const router = Router();

  router.get('/:id', async function showUser(req, res) {
    res.json(found(await users.find(idOf(req)), 'user'));
  });

  router.patch('/:id', async function renameUser(req, res) {
    const id = idOf(req);
    const name = asText(bodyOf(req).name, 'name', 100);
    res.json(found(await users.rename(id, name), 'user'));
  });

  return router;
}
