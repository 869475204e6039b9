/** The headers that `writeHead` is given last, set on the response, where they can be looked at and changed. */
import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** An object, names and values in turn, or pairs. */
export type GivenHeaders = OutgoingHttpHeaders | OutgoingHttpHeader[] | null | undefined;

/** As node merges them, which does not take pairs in pairs once a header was set. */
export function setGivenHeaders(res: ServerResponse, given: GivenHeaders): void {
  if (given === undefined || given === null) return;
  if (!Array.isArray(given)) {
    for (const [name, value] of Object.entries(given)) if (name !== '') res.setHeader(name, value as string);
    return;
  }
  const pairs = Array.isArray(given[0]) ? (given as unknown as Pair[]) : inPairs(given);
  for (const [name] of pairs) res.removeHeader(name);
  for (const [name, value] of pairs) res.appendHeader(name, value);
}

type Pair = readonly [name: string, value: string];

function inPairs(flat: readonly unknown[]): Pair[] {
  return flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]] as Pair] : []));
}
