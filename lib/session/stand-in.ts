/** The response as express-session gets it where its store is in Redis: what it puts on it stays off the real one. */
import type { ServerResponse } from 'node:http';
import type { Exits } from './hold.js';

/**
 * express-session replaces `writeHead` and `end` of the response it is given. On one of Express each replacement makes
 * V8 (in Node 20 and 22) another shape with all its properties; on these, all of one shape, they cost nothing.
 */
export class StandIn {
  readonly writeHead: Exits['writeHead'];
  readonly write: Exits['write'];
  readonly end: Exits['end'];
  readonly #res: ServerResponse;

  constructor(res: ServerResponse, { writeHead, write, end }: Exits) {
    this.#res = res;
    this.writeHead = writeHead;
    this.write = write;
    this.end = end;
  }

  getHeader(name: string): ReturnType<ServerResponse['getHeader']> {
    return this.#res.getHeader(name);
  }

  setHeader(name: string, value: number | string | readonly string[]): void {
    this.#res.setHeader(name, value);
  }
}
