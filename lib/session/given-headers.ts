/** Headers given to `writeHead` come last in its arguments; on the response they can be looked at and changed. */
import type { ServerResponse } from 'node:http';

/** Takes the headers out of the arguments of `writeHead` and sets them on the response. */
export function setGivenHeaders(res: ServerResponse, args: unknown[]): void {
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
