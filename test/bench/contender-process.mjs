// The server's side of a contender: serves its app on a free loopback port and tells what that has cost so far.

import http from 'node:http';

/** @type {number[]} */
let heldMs = [];

/**
 * Serves until whoever started this process is gone.
 *
 * @param {http.RequestListener} app
 */
export function serveBench(app) {
  const server = http.createServer(app);
  // Connections stay open while others have their turn.
  server.keepAliveTimeout = 120_000;
  server.listen(0, '127.0.0.1', () => {
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    process.send?.({ port });
  });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMicros: user + system, heldMs });
    heldMs = [];
  });
  process.on('disconnect', () => process.exit());
}

/**
 * Measures how long the end of a response is held back, from the handler's `end` to node's; only for requests with
 * `x-probe`, so that nobody pays for it in the measured rounds. It comes before every other middleware.
 *
 * @type {import('express').RequestHandler}
 */
export function probeEnd(req, res, next) {
  if (req.headers['x-probe'] === undefined) return next();
  const { end } = res;
  res.end = function probed(/** @type {any[]} */ ...args) {
    if (res.locals.endedAt !== undefined) heldMs.push(performance.now() - res.locals.endedAt);
    res.locals.endedAt = undefined;
    return end.apply(this, args);
  };
  next();
}

/**
 * The same small answer for all.
 *
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 */
export function answerOk(req, res) {
  if (req.headers['x-probe'] !== undefined) res.locals.endedAt = performance.now();
  res.send('ok');
}
