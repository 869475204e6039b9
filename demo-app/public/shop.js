/** The shop: prices that change on every open page at once, orders, and the log of what happens. */
import { money } from './format.js';
import { ask, element, onPress, onSubmit, say, trouble } from './server.js';
import { lookAtWindows } from './windows.js';

const LINES_KEPT = 30;
const SHINE_MS = 1600;

export function startShop() {
  for (const form of document.querySelectorAll('#shop form')) onSubmit(form, changePrice);
  onPress('order', placeOrder);
}

async function changePrice(form) {
  const id = Number(form.closest('[data-product]').dataset.product);
  const answer = await ask(`/api/products/${id}/price`, {
    method: 'PUT',
    body: { price: Number(form.price.value) },
  });
  say('shop-said', answer.ok ? `${answer.body.name} is ${money(answer.body.price)} now.` : trouble(answer));
  lookAtWindows();
}

async function placeOrder() {
  const ids = [...document.querySelectorAll('[data-product]')].map(({ dataset }) => Number(dataset.product));
  const productId = ids[Math.floor(Math.random() * ids.length)] ?? 1;
  const answer = await ask('/api/orders', { method: 'POST', body: { items: [{ productId, quantity: 1 }] } });
  say('order-said', answer.ok ? `Order ${answer.body.id}.` : trouble(answer));
  lookAtWindows();
}

/** What changed while nobody listened. */
export function showPrices(products) {
  for (const product of products) showPrice(product);
}

export const shopEvents = {
  order: ({ id, status, total }) => log('order', `Order ${id} is ${status}: ${money(total)}`),
  notification: ({ text }) => log('notice', text),
  report: ({ refreshedAt }) =>
    log('report', `The revenue report is new, as of ${new Date(refreshedAt).toLocaleTimeString('en-GB')}`),
  price(product) {
    log('price', `${product.name} costs ${money(product.price)} now`);
    const item = showPrice(product);
    item?.classList.add('changed');
    setTimeout(() => item?.classList.remove('changed'), SHINE_MS);
  },
};

function showPrice({ id, price }) {
  const item = document.querySelector(`[data-product="${id}"]`);
  const input = item?.querySelector('input');
  // What somebody is typing just now is theirs.
  if (input && document.activeElement !== input) input.value = price.toFixed(2);
  return item;
}

function log(kind, text) {
  const list = element('log');
  list.querySelector('.empty')?.remove();
  const item = document.createElement('li');
  item.dataset.kind = kind;
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString('en-GB');
  item.append(time, text);
  list.prepend(item);
  while (list.children.length > LINES_KEPT) list.lastElementChild.remove();
}
