/** Which query parameters tell pages apart, and whether their order does. */

export interface QueryRules {
  /** Only these count; undefined: all do. */
  readonly only: ReadonlySet<string> | undefined;
  /** These do not count; `utm_*` is all that begin with `utm_`. */
  readonly ignore: readonly string[];
  readonly ignoresOrder: boolean;
}

/** With more parameters than this, some parsers drop the last ones: then every byte counts, and the order too. */
const MAX_PARAMETERS = 100;

/**
 * A path with its query as far as it counts.
 *
 * What a handler may read as a parameter that counts, counts: `page`, `page[]`, `[page]`, `page.x` and `%70age` are all
 * `page` to some parser or other.
 */
export function pathThatCounts(path: string, { only, ignore, ignoresOrder }: QueryRules): string {
  const start = path.indexOf('?');
  if (start === -1) return path;
  const pairs = path.slice(start + 1).split('&');
  if (pairs.length > MAX_PARAMETERS) return path;
  const counting = pairs.filter(counts);
  if (ignoresOrder) sortByName(counting);
  return counting.length === 0 ? path.slice(0, start) : `${path.slice(0, start)}?${counting.join('&')}`;

  function counts(pair: string): boolean {
    const name = nameOf(pair);
    if (only !== undefined) return wordsOf(name).some((word) => only.has(word));
    return !ignore.some((pattern) => matches(name, pattern));
  }
}

/** Parameters that a parser may put together stay in their order. */
function sortByName(pairs: string[]): void {
  const baseOf = (pair: string) => wordsOf(nameOf(pair))[0] ?? '';
  pairs.sort((one, other) => (baseOf(one) < baseOf(other) ? -1 : Number(baseOf(one) > baseOf(other))));
}

function nameOf(pair: string): string {
  const name = pair.split('=', 1)[0]!.replaceAll('+', ' ');
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function wordsOf(name: string): string[] {
  return name.split(/[[\].]+/).filter((word) => word !== '');
}

function matches(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
