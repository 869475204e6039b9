/** The demo's environment: what it means, and one clear line for each variable that will not do. */
import { describe, expect, test } from '@jest/globals';
import { BadEnvironment, configFrom } from '../../demo-app/config.js';

const DATABASE_URL = 'postgres://shop:pa55@db.example:5432/shop';

describe('the settings of the demo', () => {
  test('need nothing but a database', () => {
    const config = configFrom({ DATABASE_URL });
    expect(config).toMatchObject({
      port: 3000,
      databaseUrl: DATABASE_URL,
      isBehindPgBouncer: false,
      databaseDirectUrl: DATABASE_URL,
      refreshEveryMs: 60_000,
      redisUrl: undefined,
      orders: 200_000,
      rateLimit: 100,
      loginRateLimit: 10,
      rateLimitWindowMs: 60_000,
      redisPid: undefined,
    });
  });

  test('are taken from the environment', () => {
    const config = configFrom({
      DATABASE_URL,
      PORT: '0',
      REDIS_URL: 'rediss://user:pw@cache.example:6380/2',
      PGBOUNCER: '1',
      DATABASE_DIRECT_URL: 'postgres://db.example/shop',
      REPORT_REFRESH_SECONDS: '5',
      SESSION_SECRET: 'the new secret of ours, the old secret of ours',
      DEMO_ORDERS: '0',
      RATE_LIMIT: '5',
      LOGIN_RATE_LIMIT: '3',
      RATE_LIMIT_WINDOW_SECONDS: '7',
      DEMO_REDIS_PID: '4711',
    });
    expect(config).toMatchObject({
      port: 0,
      redisUrl: 'rediss://user:pw@cache.example:6380/2',
      isBehindPgBouncer: true,
      databaseDirectUrl: 'postgres://db.example/shop',
      refreshEveryMs: 5000,
      sessionSecrets: ['the new secret of ours', 'the old secret of ours'],
      orders: 0,
      rateLimit: 5,
      loginRateLimit: 3,
      rateLimitWindowMs: 7000,
      redisPid: 4711,
      notices: [],
    });
  });

  test.each([
    ['PGBOUNCER=1', { DATABASE_URL, PGBOUNCER: '1' }, DATABASE_URL],
    ['the query', { DATABASE_URL: `${DATABASE_URL}?pgbouncer=true` }, DATABASE_URL],
    [
      'the query among others',
      { DATABASE_URL: `${DATABASE_URL}?a=1&pgbouncer=true&b=2` },
      `${DATABASE_URL}?a=1&b=2`,
    ],
  ])('know a pooler by %s, and that nothing can be listened to through it', (_how, environment, url) => {
    const config = configFrom(environment);
    expect(config).toMatchObject({ isBehindPgBouncer: true, databaseUrl: url, databaseDirectUrl: undefined });
    expect(config.notices.join()).toMatch(/DATABASE_DIRECT_URL is not set/);
  });

  test('know a pooler by the direct URL beside it, unless they are told that there is none', () => {
    const both = { DATABASE_URL, DATABASE_DIRECT_URL: 'postgres://db.example/shop' };
    expect(configFrom(both).isBehindPgBouncer).toBe(true);
    expect(configFrom({ ...both, PGBOUNCER: '0' }).isBehindPgBouncer).toBe(false);
  });

  test('treat an empty variable as one that is not set', () => {
    expect(configFrom({ DATABASE_URL, PORT: '', REDIS_URL: ' ' })).toMatchObject({
      port: 3000,
      redisUrl: undefined,
    });
  });

  test('sign sessions with another random secret at each start when none is given, and say so', () => {
    const [one, other] = [configFrom({ DATABASE_URL }), configFrom({ DATABASE_URL })];
    expect(one.sessionSecrets).not.toEqual(other.sessionSecrets);
    expect(one.sessionSecrets[0]?.length).toBeGreaterThanOrEqual(43);
    expect(one.notices.join()).toMatch(/SESSION_SECRET is not set/);
  });

  test('say what it means that there is no Redis', () => {
    expect(configFrom({ DATABASE_URL }).notices.join()).toMatch(/REDIS_URL is not set: .* this process only/);
  });

  test.each([
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '3000.5'],
    ['PORT', '0x10'],
    ['PORT', 'http'],
    ['PORT', '99999999999999999999'],
    ['DATABASE_URL', ''],
    ['DATABASE_URL', 'mysql://db.example/shop'],
    ['DATABASE_URL', 'postgres://'],
    ['DATABASE_DIRECT_URL', 'db.example:5432'],
    ['REPORT_REFRESH_SECONDS', '0'],
    ['REDIS_URL', 'cache.example:6379'],
    ['REDIS_URL', 'http://cache.example'],
    ['PGBOUNCER', 'yes'],
    ['SESSION_SECRET', 'one,,two'],
    ['SESSION_SECRET', ','],
    ['DEMO_ORDERS', '-5'],
    ['DEMO_ORDERS', '1e6'],
    ['RATE_LIMIT', '0'],
    ['RATE_LIMIT', 'NaN'],
    ['LOGIN_RATE_LIMIT', 'Infinity'],
    ['RATE_LIMIT_WINDOW_SECONDS', '0'],
  ])('%s=%s is refused in one line that begins with the name', (name, value) => {
    const error = complaint({ DATABASE_URL, [name]: value });
    expect(error.message).toMatch(new RegExp(`^${name}: (must|is required)[^\n]+$`));
  });

  test.each(['1', '-1', '0', '99999999', 'x'])('do not take %s for a process that may be stopped', (pid) => {
    const { message } = complaint({ DATABASE_URL, REDIS_URL: 'redis://cache.example', DEMO_REDIS_PID: pid });
    expect(message).toMatch(/^DEMO_REDIS_PID: must[^\n]+$/);
  });

  test('take a process of Redis only with the URL of that Redis', () => {
    expect(complaint({ DATABASE_URL, DEMO_REDIS_PID: '4711' }).message).toMatch(
      /^DEMO_REDIS_PID: must come with/,
    );
  });

  test('are complained about all at once, without repeating a password', () => {
    const lines = complaint({
      DATABASE_URL: 'mysql://root:hunter2@db',
      REDIS_URL: 'hunter2',
      PORT: 'x',
    }).message.split('\n');
    expect(lines.map((line) => line.split(':')[0])).toEqual(['DATABASE_URL', 'REDIS_URL', 'PORT']);
    expect(lines.join()).not.toContain('hunter2');
  });
});

function complaint(environment: Record<string, string>): BadEnvironment {
  try {
    configFrom(environment);
  } catch (error) {
    if (error instanceof BadEnvironment) return error;
    throw error;
  }
  throw new Error('these settings were accepted');
}
