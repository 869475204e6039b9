/** A response that carries somebody's session cookie is nobody else's: shared caches must not store it. */
import type { ServerResponse } from 'node:http';

/** RFC 9111 5.2.2: what would let a shared cache store the response. */
const SHARED = /^(public|proxy-revalidate|s-maxage(\s*=.*)?)$/i;
const UNSHARED = /^(private|no-store)$/i;
/** RFC 9213 and what CDNs had before it: they would go before Cache-Control. */
const TARGETED = ['cdn-cache-control', 'surrogate-control'];

/** @param args of `writeHead`, changed where its headers say otherwise. */
export function keepPrivate(res: ServerResponse, args: unknown[]): void {
  moveHeaders(res, args);
  for (const name of TARGETED) res.removeHeader(name);
  const declared = [res.getHeader('cache-control') ?? []].flat().join(',');
  res.setHeader('Cache-Control', privately(declared));
}

/** Arguments with a comma in quotes, of `no-cache="a, b"`, come through whole: only whole directives are taken out. */
export function privately(declared: string): string {
  const directives = (declared.match(/(?:"[^"]*"|[^,"])+/g) ?? []).map((directive) => directive.trim());
  const kept = directives.filter((directive) => directive !== '' && !SHARED.test(directive));
  return kept.some((directive) => UNSHARED.test(directive))
    ? kept.join(', ')
    : ['private', ...kept].join(', ');
}

/** Headers given to `writeHead` come last in its arguments; on the response they can be looked at. */
function moveHeaders(res: ServerResponse, args: unknown[]): void {
  const given = args.at(-1);
  if (typeof given !== 'object' || given === null) return;
  args.pop();
  if (!Array.isArray(given)) {
    for (const [name, value] of Object.entries(given)) res.setHeader(name, value as string);
    return;
  }
  const pairs = Array.isArray(given[0]) ? (given as [string, string][]) : inPairs(given as string[]);
  for (const [name] of pairs) res.removeHeader(name);
  for (const [name, value] of pairs) res.appendHeader(name, value);
}

function inPairs(flat: readonly string[]): [string, string][] {
  return flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] as string] as [string, string]] : []));
}
