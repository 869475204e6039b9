// One process of the app under test: the response cache in an Express app, in front of the suite's own server.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import express from 'express';
import handleConfig from 'http-cache-tests/server/handle-config.mjs';
import handleState from 'http-cache-tests/server/handle-state.mjs';
import handleTest from 'http-cache-tests/server/handle-test.mjs';
import { configs, stash } from 'http-cache-tests/server/utils.mjs';
import { createClient } from 'redis';
import { responseCache } from '../../lib/response-cache/index.ts';

const { profile, folder, redisUrl, namespace } = JSON.parse(process.argv[2]);
const HANDLERS = { config: handleConfig, test: handleTest, state: handleState };
/** What is judged is the standard, not how busy this machine is. */
const DEADLINE_MS = 5_000;

// What the suite's server remembers from one request to the next, all processes of the app must know.
shareThroughFiles(configs, join(folder, 'configs'));
shareThroughFiles(stash, join(folder, 'stash'));
// It also writes into its configurations, the dates it made up for one.
const keepState = stash.set;
stash.set = function set(uuid, state) {
  configs.set(uuid, configs.held(uuid));
  return keepState(uuid, state);
};

const client = createClient({ url: redisUrl });
client.on('error', () => {});
await client.connect();

const app = express();
app.disable('x-powered-by');
app.use('/test', responseCache({ client, namespace, profile, deadlineMs: DEADLINE_MS }));
app.use(function suiteServer(req, res) {
  const [, kind, ...rest] = new URL(req.originalUrl, 'http://conformance.test').pathname.split('/');
  const handle = HANDLERS[kind];
  if (handle === undefined) res.status(404).end();
  else handle(rest, req, res);
});

const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());

/**
 * @param {Map<string, unknown>} map
 * @param {string} place a folder with a file for each key
 */
function shareThroughFiles(map, place) {
  mkdirSync(place, { recursive: true });
  const held = new Map();
  map.held = (key) => held.get(key);
  map.has = (key) => map.get(key) !== undefined;
  map.get = function get(key) {
    const file = join(place, key);
    held.set(key, existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined);
    return held.get(key);
  };
  map.set = function set(key, value) {
    writeFileSync(join(place, key), JSON.stringify(value));
    return map;
  };
}
