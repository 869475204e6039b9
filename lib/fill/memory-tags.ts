/** When tags were purged in this process, by counting what happens: the memory store's side of `tags.ts`. */
import { LRUCache } from 'lru-cache';
import type { Tagging, Verdict } from './tags.js';

interface Purges {
  hard: number;
  soft: number;
}

const MAX_TAGS = 100_000;

export class MemoryTags {
  readonly #now: () => number;
  #ticks = 0;
  /** Purges of tags that were forgotten for want of room: those of any tag that is entered anew. */
  #forgotten: Purges = { hard: 0, soft: 0 };
  readonly #records = new LRUCache<string, Purges>({
    max: MAX_TAGS,
    dispose: ({ hard, soft }, _tag, reason) => {
      if (reason !== 'evict') return;
      const { hard: lastHard, soft: lastSoft } = this.#forgotten;
      this.#forgotten = { hard: Math.max(hard, lastHard), soft: Math.max(soft, lastSoft) };
    },
  });
  /** Of writers at work, with the end of each mark. Never evicted: there are as many as writers. */
  readonly #marks = new Map<string, Map<string, number>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A moment after all before it. */
  tick(): number {
    for (const tag of this.#marks.keys()) this.#isMarked(tag);
    this.#ticks += 1;
    return this.#ticks;
  }

  /** Values may carry these tags from now on. */
  enter(tags: readonly string[]): void {
    for (const tag of tags) this.#record(tag);
  }

  judge({ names, since }: Tagging): Verdict {
    let verdict: Verdict = 'valid';
    for (const name of names) {
      const record = this.#isMarked(name) ? undefined : this.#records.get(name);
      if (record === undefined || since <= record.hard) return 'gone';
      if (since <= record.soft) verdict = 'expired';
    }
    return verdict;
  }

  purge(tag: string): void {
    this.#record(tag).hard = this.tick();
  }

  expire(tag: string): void {
    this.#record(tag).soft = this.tick();
  }

  mark(tag: string, token: string, markMs: number): void {
    const marks = this.#marks.get(tag) ?? new Map<string, number>();
    this.purge(tag);
    this.#marks.set(tag, marks.set(token, this.#now() + markMs));
  }

  unmark(tag: string, token: string): void {
    const marks = this.#marks.get(tag);
    marks?.delete(token);
    if (marks?.size === 0) this.#marks.delete(tag);
    this.purge(tag);
  }

  #record(tag: string): Purges {
    const known = this.#records.get(tag);
    if (known !== undefined) return known;
    const record = { ...this.#forgotten };
    this.#records.set(tag, record);
    return record;
  }

  /** A writer that died has purged until the end of its mark. */
  #isMarked(tag: string): boolean {
    const marks = this.#marks.get(tag);
    if (marks === undefined) return false;
    for (const [token, endsAt] of marks) if (endsAt <= this.#now()) marks.delete(token);
    if (marks.size > 0) return true;
    this.#marks.delete(tag);
    this.purge(tag);
    return false;
  }
}
