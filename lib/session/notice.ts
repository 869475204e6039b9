/** Says in the log what is wrong, at most once a minute: what is wrong with one session mostly is with many. */

export const UNREADABLE =
  'a session in Redis cannot be read, so its user gets a new one: it was tampered with, or written with another serializer or encryption key.';
export const REFUSED =
  'a session was not stored because its id belonged to one that was destroyed within the last hour. Ids are not used again.';

const A_MINUTE_MS = 60_000;

export class Notice {
  readonly #text: string;
  #saidAtMs = Number.NEGATIVE_INFINITY;

  /** @param text without the id of any session. */
  constructor(text: string) {
    this.#text = text;
  }

  say(): void {
    const nowMs = performance.now();
    if (nowMs - this.#saidAtMs < A_MINUTE_MS) return;
    this.#saidAtMs = nowMs;
    console.warn(`express-redis-suite: ${this.#text}`);
  }
}
