// What all contenders of this bench answer: a page of 1 KB at /1 and one of 100 KB at /100, good for an hour.

import { randomBytes } from 'node:crypto';
import express from 'express';

/** Does not compress, and is text. @type {Record<string, Buffer>} */
export const PAGES = Object.fromEntries(
  [1, 100].map((kilobytes) => [`/${kilobytes}`, Buffer.from(randomBytes(512 * kilobytes).toString('hex'))]),
);
export const HEADERS = { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'max-age=3600' };

/** As in production; of what Express does by itself, X-Powered-By and ETag are left out, as in all contenders. */
export function newApp() {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  return app;
}

/**
 * What the caches stand in front of.
 *
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 */
export function answerPage(req, res) {
  res.set(HEADERS);
  res.send(PAGES[req.path]);
}

/**
 * @param {import('node:http').ServerResponse} res
 * @param {Buffer} page
 */
export function answerBytes(res, page) {
  for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
  res.setHeader('Content-Length', page.length);
  res.end(page);
}
