/** `/api/orders`: place one, as a guest or logged in, look at it, move it along. */
import { type Router as ExpressRouter, Router } from 'express';
import { ORDER_STATUSES, type OrderLine, type Orders } from '../services/orders.js';
import { found, HttpError } from './errors.js';
import { asFields, asId, asInteger, asList, asOneOf, bad, bodyOf, idOf } from './input.js';

const MAX_LINES = 100;
const MAX_QUANTITY = 1000;

/** Open to everyone, so that curl can try it: a real shop would show an order to its owner and move it from the inside. */
export function orderRoutes(orders: Orders): ExpressRouter {
  const router = Router();

  router.post('/', async function placeOrder(req, res) {
    const lines = linesIn(bodyOf(req).items);
    const placed = await orders.place(req.session.userId ?? null, lines);
    if ('unknownProductId' in placed) {
      const at = lines.findIndex(({ productId }) => productId === placed.unknownProductId);
      throw bad(`items[${at}].productId`, 'there is no such product');
    }
    res.status(201).location(`/api/orders/${placed.order.id}`).json(placed.order);
  });

  router.get('/:id', async function showOrder(req, res) {
    res.json(found(await orders.find(idOf(req)), 'order'));
  });

  router.patch('/:id', async function moveOrder(req, res) {
    const id = idOf(req);
    const status = asOneOf(bodyOf(req).status, 'status', ORDER_STATUSES);
    const moved = found(await orders.move(id, status), 'order');
    if ('stuckIn' in moved) {
      throw new HttpError(409, `an order that is ${moved.stuckIn} cannot become ${status}`, 'status');
    }
    res.json(moved.order);
  });

  return router;
}

function linesIn(items: unknown): OrderLine[] {
  return asList(items, 'items', MAX_LINES).map((item, at) => {
    const line = asFields(item, `items[${at}]`);
    return {
      productId: asId(line.productId, `items[${at}].productId`),
      quantity: asInteger(line.quantity, `items[${at}].quantity`, 1, MAX_QUANTITY),
    };
  });
}
