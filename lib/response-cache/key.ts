/** Which page a request is for, and the Redis key that page lies under. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { tagged } from '../core/keys.js';
import { pathThatCounts, type QueryRules } from './query.js';

/** A request as Express and its kin hand it on; plain node:http has only the first half. */
export interface CacheRequest extends IncomingMessage {
  readonly originalUrl?: string;
  readonly baseUrl?: string;
  readonly protocol?: string;
  readonly hostname?: string;
  readonly app?: { get?(setting: string): unknown };
}

/** `scheme://host/path?query` of a request, as exact as it came. */
export interface Target {
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
}

/**
 * Where a request is going, or why that is no page of ours: `target` is a request target that is no path (`*`,
 * `http://...`, `host:443`), `host` a host or scheme that could be spelled to look like another page's URL.
 */
export function targetOf(
  req: CacheRequest,
  headers: IncomingHttpHeaders = req.headers,
): Target | 'target' | 'host' {
  const path = req.originalUrl ?? req.url ?? '';
  if (!path.startsWith('/')) return 'target';
  const scheme = (req.protocol ?? schemeOf(req.socket)).toLowerCase();
  const host = hostOf(req, headers, scheme);
  if (host === undefined || (scheme !== 'http' && scheme !== 'https')) return 'host';
  return { scheme, host, path };
}

function schemeOf(socket: Socket): string {
  return 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http';
}

/**
 * The page's id: its URL. Where something before us rewrote `req.url`, the route that answers was chosen by the
 * rewritten one, so both count.
 */
export function pageId(target: Target, req: CacheRequest, query: QueryRules): string {
  const { scheme, host, path } = target;
  const id = urlOf({ scheme, host, path: pathThatCounts(path, query) });
  const routed = `${req.baseUrl ?? ''}${req.url ?? ''}`;
  return isSamePath(path, routed) ? id : `${id} ${pathThatCounts(routed, query)}`;
}

export function urlOf({ scheme, host, path }: Target): string {
  return `${scheme}://${host}${path}`;
}

export function pageKey(prefix: string, id: string): string {
  return `${prefix}page:${tagged(id)}`;
}

/** Where a POST to the page says that it is under way. */
export function postKey(pageKey: string): string {
  return `${pageKey}:post`;
}

/** The key of the page with this id, as far as it counts. */
export function keyOfUrl({ prefix, query }: { prefix: string; query: QueryRules }, id: string): string {
  return pageKey(prefix, pathThatCounts(id, query));
}

/**
 * The ids of the pages that a URL names: an absolute one is itself; a path is meant on each of `hosts`. Each as it is
 * written and as a browser would write it (`/caf%C3%A9` for `/café`).
 */
export function idsOfUrl(url: string, hosts: readonly string[]): readonly string[] | undefined {
  const ids = idsAsWritten(url, hosts);
  return ids && [...new Set(ids.flatMap((id) => [id, escaped(id)]))];
}

function escaped(id: string): string {
  return URL.canParse(id) ? id.replace(/[^\x21-\x7e]+/g, encodeURI) : id;
}

function idsAsWritten(url: string, hosts: readonly string[]): readonly string[] | undefined {
  const absolute = /^(https?):\/\/([^/?#]*)([^#]*)/i.exec(url);
  if (absolute !== null) {
    const [, scheme = '', host = '', path = ''] = absolute;
    const rooted = path.startsWith('/') ? path : `/${path}`;
    return [urlOf({ scheme: scheme.toLowerCase(), host: plainHost(host, scheme), path: rooted })];
  }
  if (!url.startsWith('/') || hosts.length === 0) return undefined;
  return hosts.flatMap((host) => ['http', 'https'].map((scheme) => urlOf({ scheme, host, path: url })));
}

/**
 * RFC 9111, 4.4: the URIs in Location and Content-Location may be invalidated too, but never those of another origin.
 */
export function idOfReference(reference: string, base: Target): string | undefined {
  try {
    const resolved = new URL(reference, urlOf(base));
    const scheme = resolved.protocol.slice(0, -1);
    const host = plainHost(resolved.host, scheme);
    if (scheme !== base.scheme || host !== base.host) return undefined;
    return urlOf({ scheme, host, path: `${resolved.pathname}${resolved.search}` });
  } catch {
    return undefined;
  }
}

/** RFC 3986, 3.2.2, without what no browser sends: nothing in it can be taken for a path, a query or a user. */
const HOST = /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::\d+)?$/;

/** The Host header, unless Express trusts a proxy that names another one; undefined when it is no plain host. */
function hostOf(req: CacheRequest, headers: IncomingHttpHeaders, scheme: string): string | undefined {
  const named = plainHost(forwardedHost(req, headers) ?? headers.host ?? '', scheme);
  const hostname = req.hostname?.toLowerCase() ?? named;
  const host = hostname === named || hostname === withoutPort(named) ? named : hostname;
  // Both: handlers may read the header itself, whatever Express makes of it.
  return HOST.test(named) && (host === named || HOST.test(host)) ? host : undefined;
}

/** As Express 5 reads it for `req.host`; its `req.hostname` leaves out the port, which handlers may still put in links. */
function forwardedHost(req: CacheRequest, headers: IncomingHttpHeaders): string | undefined {
  const line = headers['x-forwarded-host'];
  if (line === undefined) return undefined;
  const { app, socket } = req;
  const trusts = app?.get?.('trust proxy fn');
  if (typeof trusts !== 'function' || !trusts(socket.remoteAddress, 0)) return undefined;
  return String(line).split(',', 1)[0]?.trim();
}

/** Lower case, without the port that goes without saying. */
function plainHost(host: string, scheme: string): string {
  const port = scheme.toLowerCase() === 'https' ? ':443' : ':80';
  return (host.endsWith(port) ? host.slice(0, -port.length) : host).toLowerCase();
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, '');
}

/** Express leaves `/` of a path that was mounted as a whole: `/foo?x` under `/foo` is `/foo` + `/?x`. */
function isSamePath(path: string, routed: string): boolean {
  if (path === routed) return true;
  const query = path.indexOf('?');
  const [bare, search] = query === -1 ? [path, ''] : [path.slice(0, query), path.slice(query)];
  return `${bare}/${search}` === routed;
}
