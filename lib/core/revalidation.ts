/** The mark on requests that a response cache sends to its own app: no client stands behind them. */

/** In the registry of symbols, so that both builds of this package and other people's middlewares know it. */
export const REVALIDATION: unique symbol = Symbol.for('express-redis-suite.revalidation');

export function isRevalidation(req: object): boolean {
  return Object.hasOwn(req, REVALIDATION);
}
