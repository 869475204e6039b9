/** Tags: how they are spelled, and what a value's own tags and the records of when they were purged say together. */
import { spellId } from '../core/keys.js';

/** A value's tags, and when it began to be loaded. */
export interface Tagging {
  readonly since: number;
  readonly names: readonly string[];
}

/** What purges did to a value. */
export type Verdict = 'valid' | 'expired' | 'gone';

/** A tag as it stands in keys and beside values, without spaces whatever it holds. */
export function spellTag(tag: string): string {
  return spellId(tag);
}

/** What stands beside a value: `<since> <tag> <tag>...`. What does not read back is as old as can be, so purged. */
export function parseTagging(text: string): Tagging {
  const [since = '', ...names] = text.split(' ');
  return { since: /^\d{1,16}$/.test(since) ? Number(since) : 0, names };
}

/** The script that reads on one server says the same in Lua. A record that is missing was evicted. */
export function judge(since: number, record: string | null): Verdict {
  const read = /^(\d{1,16}) (\d{1,16})(?!\d)(.*)$/.exec(record ?? '');
  if (read === null) return 'gone';
  const [, hard, soft, marks = ''] = read;
  const ends = [...marks.matchAll(/\S:(\d{1,16})(?= |$)/g)].map(([, expiry]) => Number(expiry));
  if (since <= Math.max(Number(hard), ...ends)) return 'gone';
  return since <= Number(soft) ? 'expired' : 'valid';
}

/** The worst of several. */
export function worstOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('gone')) return 'gone';
  return verdicts.includes('expired') ? 'expired' : 'valid';
}
