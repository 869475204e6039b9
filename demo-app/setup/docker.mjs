// Runs the Redis of compose.yaml where a Docker engine answers.

import { randomBytes } from 'node:crypto';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { reason, say } from './log.mjs';
import { ask, onPath } from './programs.mjs';
import { watchOver } from './watchdog.mjs';

const COMPOSE_FILE = fileURLToPath(new URL('../../compose.yaml', import.meta.url));
// The first time it downloads the image.
const UP_WITHIN_MS = 180_000;
const DOWN_WITHIN_MS = 20_000;

/**
 * @returns {Promise<import('./redis.mjs').RunningRedis | null>} null where no engine answers, or it cannot run it
 */
export async function startRedisContainer() {
  const docker = onPath('docker');
  return docker && (await canCompose(docker)) ? startWith(docker) : null;
}

/** @param {string} docker */
async function canCompose(docker) {
  // The client waits long for an engine that hangs.
  const engine = await ask(docker, ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 3_000 });
  if (!engine.ok) return false;
  return (await ask(docker, ['compose', 'version'], { timeoutMs: 3_000 })).ok;
}

/** @param {string} docker */
async function startWith(docker) {
  // A project name of our own: two demos on one machine must not share, or stop, one container.
  const project = `express-redis-suite-${process.pid}-${randomBytes(3).toString('hex')}`;
  const compose = ['compose', '--project-name', project, '--file', COMPOSE_FILE];
  const down = [...compose, 'down', '--volumes', '--timeout', '2'];
  // The file asks for a password for Postgres, which is not started here; REDIS_PORT empty is any free port.
  const env = { ...process.env, POSTGRES_PASSWORD: randomBytes(16).toString('hex'), REDIS_PORT: '' };
  const release = watchOver({ command: { program: docker, args: down, env } });
  async function stop() {
    await ask(docker, down, { timeoutMs: DOWN_WITHIN_MS, env });
    release();
  }

  say('starting Redis in Docker; the first time, its image is downloaded');
  try {
    const url = await up(docker, compose, env);
    return { url, description: `Docker, project ${project}`, stop };
  } catch (error) {
    say(`Docker could not run Redis: ${reason(error)}`);
    await stop();
    return null;
  }
}

/**
 * @param {string} docker
 * @param {string[]} compose
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>} the URL
 */
async function up(docker, compose, env) {
  const started = await ask(docker, [...compose, 'up', '--detach', '--wait', 'redis'], {
    timeoutMs: UP_WITHIN_MS,
    env,
  });
  if (!started.ok) throw new Error(started.stderr.trim().split('\n').at(-1) || 'no answer in time');
  const published = await ask(docker, [...compose, 'port', 'redis', '6379'], { timeoutMs: 10_000, env });
  const port = Number(/:(\d+)\s*$/.exec(published.stdout)?.[1]);
  if (!port) throw new Error(`no port was published: ${published.stdout}${published.stderr}`.trim());
  // An engine on another host publishes the port there.
  if (!(await answers(port))) throw new Error(`nothing answers on 127.0.0.1:${port}`);
  return `redis://127.0.0.1:${port}`;
}

/** @param {number} port */
async function answers(port) {
  for (let tries = 0; tries < 10; tries += 1) {
    if (await ping(port)) return true;
    await sleep(200);
  }
  return false;
}

/**
 * @param {number} port
 * @returns {Promise<boolean>}
 */
function ping(port) {
  return new Promise((resolve) => {
    const socket = new Socket();
    function settle(/** @type {boolean} */ isRedis) {
      socket.destroy();
      resolve(isRedis);
    }
    socket.setTimeout(1_000, () => settle(false));
    socket.on('error', () => settle(false));
    socket.on('close', () => settle(false));
    socket.on('data', (reply) => settle(reply.toString().startsWith('+PONG')));
    socket.connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
  });
}
