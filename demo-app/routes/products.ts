/** `/api/products`: cached reads, and a price that is in the cache by the time its change is confirmed. */
import { type Router as ExpressRouter, Router } from 'express';
import type { Products } from '../services/products.js';
import { found } from './errors.js';
import { asPrice, bodyOf, idOf } from './input.js';

/** Prices can be changed by everyone, so that curl can try the cache: a real shop would ask for a shopkeeper's login. */
export function productRoutes(products: Products): ExpressRouter {
  const router = Router();

  router.get('/', async function listProducts(_req, res) {
    res.json({ products: await products.list() });
  });

  router.get('/:id', async function showProduct(req, res) {
    res.json(found(await products.find(idOf(req)), 'product'));
  });

  router.put('/:id/price', async function changePrice(req, res) {
    const id = idOf(req);
    const price = asPrice(bodyOf(req).price, 'price');
    res.json(found(await products.setPrice(id, price), 'product'));
  });

  return router;
}
