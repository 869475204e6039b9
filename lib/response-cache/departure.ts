/** The moment when a response's head leaves: whatever middlewares before this one add to it is there by then. */
import { ServerResponse } from 'node:http';
import { keepPrivate } from '../core/private-response.js';

/** Node has had it since its first versions, and calls it for every head, by whichever way that came. */
type HeadStoring = ServerResponse & {
  _storeHeader(this: ServerResponse, ...args: unknown[]): void;
  _implicitHeader(): void;
};

/** As they are before anybody wraps them. */
const { end, writeHead, _implicitHeader, _storeHeader } = ServerResponse.prototype as HeadStoring;

/** `act` may still change headers. */
export function beforeHeadLeaves(res: ServerResponse, act: () => void): void {
  const storing = res as HeadStoring;
  const own = storing._storeHeader;
  storing._storeHeader = function storeHeader(...args) {
    act();
    own.apply(res, args);
  };
}

/** The same for a response that is about to be ended: where nobody else has a say in its head, this is the moment. */
export function beforeItEnds(res: ServerResponse, act: () => void): void {
  if (isNodesOwn(res)) act();
  else beforeHeadLeaves(res, act);
}

function isNodesOwn(res: ServerResponse): boolean {
  const own = res as HeadStoring;
  return (
    own.end === end &&
    own.writeHead === writeHead &&
    own._implicitHeader === _implicitHeader &&
    own._storeHeader === _storeHeader
  );
}

/**
 * Tells the caches downstream that a page which leaves with a cookie of this one request is not for everybody. The
 * cookies in `pageCookies` came with the page.
 */
export function keepCookiesPrivate(res: ServerResponse, pageCookies: readonly string[]): void {
  const cookies = res.getHeader('set-cookie');
  if (cookies === undefined) return;
  if ([cookies].flat().every((cookie) => pageCookies.includes(String(cookie)))) return;
  keepPrivate(res);
}
