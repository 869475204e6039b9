/** Handlers of a POST that do what they should not once they have answered, and what comes of them. */
import { expect } from '@jest/globals';
import express, { type RequestHandler, type Response } from 'express';
import { serve } from './http.js';

export const carelessHandlers: [string, (res: Response) => unknown][] = [
  [
    'answers and ends once more',
    (res) => {
      res.json({ order: 1 });
      res.end();
    },
  ],
  [
    'answers twice',
    (res) => {
      res.json({ order: 1 });
      res.json({ order: 'another', at: 'greater length' });
    },
  ],
  [
    'answers, and once more unless it is told that the response has ended',
    (res) => {
      res.send('first');
      if (!res.writableEnded) res.end('second');
    },
  ],
  [
    'sets a header, a status and a cookie too late',
    (res) => {
      res.send('first');
      expect(() => res.set('X-Late', 'yes')).toThrow('after they are sent');
      expect(() => res.cookie('late', 'yes')).toThrow('after they are sent');
    },
  ],
  [
    'writes two heads',
    (res) => {
      res.writeHead(201, { 'X-Head': 'first' });
      expect(() => res.writeHead(500)).toThrow('after they are sent');
      res.end('body');
    },
  ],
  ['ends with what is no body', (res) => res.end({ order: 1 })],
  ['writes what is no body', (res) => res.write(1)],
  [
    'throws after its head',
    (res) => {
      res.writeHead(200);
      throw new Error('oops');
    },
  ],
  [
    'throws in the middle',
    (res) => {
      res.write('half');
      throw new Error('oops');
    },
  ],
  [
    'fails after its answer',
    async (res) => {
      res.send('first');
      throw new Error('oops');
    },
  ],
];

/** What the client gets, with these middlewares before the handler. */
export async function answerTo(
  handler: (res: Response) => unknown,
  before: RequestHandler[],
): Promise<unknown[]> {
  const app = express().set('env', 'test');
  for (const middleware of before) app.use(middleware);
  app.post('/', function handle(_req, res, next) {
    // As Express 5 does by itself, and Express 4 does not.
    Promise.resolve(handler(res)).catch(next);
  });
  const site = await serve(app);
  try {
    const { status, headers, text } = await site.send('/', { method: 'POST' });
    // Without the lines of a stack.
    return [status, headers['x-head'], headers['x-late'], text.split('<br>', 1)[0]];
  } catch {
    return ['broken off'];
  }
}
