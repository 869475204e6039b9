/** What an interception tells whoever listens to it, and what it asks. */
import type { Fields } from './fields.js';

/** Status line and headers, as they stand when the handler commits to them. */
export interface Head {
  readonly status: number;
  /** The reason phrase, where the handler chose one. */
  readonly reason: string | undefined;
  readonly fields: Fields;
}

/**
 * What the client gets: what the handler sends, at once or after something (then nothing more is heard); a 304 without
 * a body; nothing from the handler.
 */
export type Answer = 'as-is' | 'not-modified' | 'nothing' | { readonly after: Promise<unknown> };

export interface Listener {
  /** Whether `onHead` wants to answer otherwise than `as-is` to this status: its head is then judged before any byte. */
  mayAnswer(status: number): boolean;
  /** `isTooLate`: node is writing already, and nothing but `as-is` will do. */
  onHead(head: Head, isTooLate: boolean): Answer;
  /** The body, piece by piece: valid during the call only. It may begin before the head, where others hold that back. */
  onBytes(bytes: Uint8Array): void;
  /** The head leaves for the client, with what middlewares before this one added to it. */
  onDeparture?(): void;
  /** The handler called `end` and the head has left; at most once, and then `onClose` is not called. */
  onEnd(): void;
  /** The connection closed before that, or something else answered instead. */
  onClose(): void;
  /** The handler closed the connection with nothing sent; where this is heard, it stays open, for another answer. */
  onGivenUp?: (() => void) | undefined;
}

export interface Interception {
  /** Hears and changes nothing from here on. */
  stop(): void;
  /** Gives the response the methods back that it had, past whatever was wrapped around them since. */
  restore(): void;
}
