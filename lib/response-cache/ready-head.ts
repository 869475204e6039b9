/** The header lines of a stored response as every answer from it has them, worked out once. */
import { byName, type Fields, linesOf, remembered } from './fields.js';
import type { TimedResponse } from './freshness.js';

interface ReadyHead {
  /** Names and values as they are set; several lines of one field in a list. */
  readonly lines: readonly (readonly [name: string, value: string | readonly string[]])[];
  /** Apart, for what was set before counts beside them. */
  readonly cookies: readonly string[];
  readonly vary: readonly string[];
}

interface Latest {
  head?: ReadyHead & Pick<TimedResponse, 'receivedAtMs'>;
}

export function readyHead({ fields, receivedAtMs }: TimedResponse): ReadyHead {
  const latest = latestOf(fields);
  if (latest.head?.receivedAtMs !== receivedAtMs)
    latest.head = { ...headOf(fields, receivedAtMs), receivedAtMs };
  return latest.head;
}

/** The same fields may have come with several responses. */
const latestOf = remembered(function latestHead(_fields): Latest {
  return {};
});

const APART: ReadonlySet<string> = new Set(['set-cookie', 'vary', 'date']);

/** RFC 9110, 6.6.1: without Date, a response gets the time it was received. Of several the first counts. */
function headOf(fields: Fields, receivedAtMs: number): ReadyHead {
  const [date = new Date(receivedAtMs).toUTCString()] = linesOf(fields, 'date');
  const others = [...byName(fields)].filter(([key]) => !APART.has(key));
  const lines = others.map(([, { name, lines }]) => [name, lines.length === 1 ? lines[0]! : lines] as const);
  return {
    lines: [...lines, ['Date', date]],
    cookies: linesOf(fields, 'set-cookie'),
    vary: linesOf(fields, 'vary'),
  };
}
