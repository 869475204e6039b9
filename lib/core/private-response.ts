/** A response that carries somebody's cookie is nobody else's: no shared cache downstream may store it. */
import type { ServerResponse } from 'node:http';

/** RFC 9111 5.2.2: what would let a shared cache store the response. */
const SHARED = /^(public|proxy-revalidate|s-maxage(\s*=.*)?)$/i;
const UNSHARED = /^(private|no-store)$/i;
/** RFC 9213, 2.2, and what CDNs had before it: they are heeded instead of Cache-Control. */
const TARGETED = ['CDN-Cache-Control', 'Surrogate-Control'];

/** Heeds what is set on the response; headers still to be given to `writeHead` it cannot know. */
export function keepPrivate(res: ServerResponse): void {
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
