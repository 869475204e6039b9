/** The dashboard in a real browser: what people do on it, and that it stays calm whatever they do. */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { openRedis } from '../../demo-app/database/redis.js';
import { type AppSettings, openShop, type Shop, serveShop } from '../demo-app/support.js';
import { onTestEnd } from '../support/cleanup.js';
import { RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { launchChromium, openDashboard, openTab, setHidden } from './browser.js';

jest.setTimeout(60_000);

let shop: Shop;
let browser: Browser;
beforeAll(async () => {
  [shop, browser] = await Promise.all([openShop(), launchChromium()]);
});
afterAll(async () => {
  await browser.close();
  await shop.close();
});

/** On a Redis of its own, which the page may freeze. */
async function serveOnRedis(settings: AppSettings = {}) {
  const server = await RedisServer.start();
  const redis = await openRedis(server.url, () => {});
  onTestEnd(() => redis.destroy());
  const app = await serveShop(shop.sql, { redis, redisPid: server.pid, ...settings });
  return { app, server };
}

async function logIn(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Logged in as Ada Lovelace.').waitFor();
}

describe('the session', () => {
  test('begins with the keyboard alone, and every stop on the way shows where one is', async () => {
    const { app } = await serveOnRedis();
    const { page, complaints } = await openDashboard(browser, app);
    const stops: string[] = [];
    while (stops.at(-1) !== 'email') {
      await page.keyboard.press('Tab');
      const [name, outline] = (await page.evaluate(`(() => {
        const at = document.activeElement;
        return [at.name || at.id || at.className || at.tagName, getComputedStyle(at).outlineStyle];
      })()`)) as [string, string];
      expect([name, outline]).toEqual([name, 'solid']);
      stops.push(name);
      expect(stops.length).toBeLessThan(30);
    }
    expect(stops).toEqual(expect.arrayContaining(['skip', 'load', 'freeze', 'hammer', 'purge']));
    await page.keyboard.press('Control+A');
    await page.keyboard.type('grace@example.com');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('demo');
    await page.keyboard.press('Enter');
    await page.getByText('Logged in as Grace Hopper.').waitFor();
    // Where the form was, focus goes on; it does not fall back to the top of the page.
    expect(await page.evaluate('document.activeElement.id')).toBe('use');
    expect(complaints).toEqual([]);
  });

  test('counts down, and ends on the device whose button is pressed elsewhere', async () => {
    const { app } = await serveOnRedis();
    const [desk, phone] = [await openDashboard(browser, app), await openDashboard(browser, app)];
    await logIn(desk.page);
    await logIn(phone.page);
    const idle = desk.page.locator('[data-lifetime="idle"] [data-cell="left"]');
    await until(async () => /^59:5\d$/.test((await idle.textContent()) ?? ''));
    await desk.page
      .locator('[data-lifetime="absolute"]')
      .getByText(/^7:59:\d\d$/)
      .waitFor();

    await desk.page.reload();
    const other = desk.page.locator('#devices li', { hasNotText: 'this one' });
    await other.getByRole('button', { name: /Revoke/ }).click();
    await other.waitFor({ state: 'detached' });
    await phone.page.getByRole('button', { name: 'Use it' }).click();
    await phone.page.getByText('Nobody is logged in here.').waitFor();
    await desk.page.getByText('Logged in as Ada Lovelace.').waitFor();
    expect(desk.complaints).toEqual([]);
    // Chromium's own words about the 401 that it was told to provoke.
    expect(phone.complaints.filter((line) => !/status of 401/.test(line))).toEqual([]);
  });

  test('is one, also when the button is pressed twice; and who ends it with the keyboard can log in again', async () => {
    const { app } = await serveOnRedis();
    const { page, complaints } = await openDashboard(browser, app);
    await page.getByRole('button', { name: 'Log in' }).dblclick();
    await page.getByText('Logged in as Ada Lovelace.').waitFor();
    await page.reload();
    const revoke = page.getByRole('button', { name: /^Revoke .*, this one$/ });
    await revoke.waitFor();
    expect(await page.locator('#devices li').count()).toBe(1);
    await revoke.press('Enter');
    await page.getByText('Nobody is logged in here.').waitFor();
    await until(() => page.evaluate(`document.activeElement.name === 'email'`));
    expect(complaints).toEqual([]);
  });

  test('is shown in all tabs of a browser', async () => {
    const { app } = await serveOnRedis();
    const one = await openDashboard(browser, app);
    const other = await openTab(one);
    await logIn(one.page);
    await other.page.getByText('Logged in as Ada Lovelace.').waitFor();
    await other.page.getByRole('button', { name: 'Log out' }).click();
    await one.page.getByText('Nobody is logged in here.').waitFor();
    expect([...one.complaints, ...other.complaints]).toEqual([]);
  });
});

test('hammering ends at the limit; the countdown to the next slot ends, too, and requests pass again', async () => {
  const { app } = await serveOnRedis({ rateLimit: 15, rateLimitWindowMs: 6000 });
  const { page, complaints } = await openDashboard(browser, app);
  const api = page.locator('[data-limiter="api"]');
  await api.getByText('Empty.').waitFor();
  await page.getByRole('button', { name: 'Hammer' }).click();
  await api.getByText(/^Full\. Next slot in [0-6]\.\d s, at \d\d:\d\d:\d\d\.\d{3}$/).waitFor();
  await page
    .locator('#hammer-said')
    .getByText(/^\d+ passed, 1\d denied\.$/)
    .waitFor();
  await api.getByText(/^Room now|^Empty/).waitFor();
  await page.getByRole('button', { name: 'Place an order' }).click();
  await page
    .locator('#order-said')
    .getByText(/^Order \d+\.$/)
    .waitFor();
  expect(complaints).toEqual([]);
});

test('a price that is changed in one tab is seen in another', async () => {
  const { app } = await serveOnRedis();
  const [one, other] = [await openDashboard(browser, app), await openDashboard(browser, app)];
  await one.page.getByLabel('Cork lamp', { exact: true }).fill('77.25');
  await one.page.getByRole('button', { name: 'Set the price of Cork lamp' }).click();
  await one.page.getByText('Cork lamp is 77.25 now.').waitFor();
  await other.page.getByText('Cork lamp costs 77.25 now').waitFor();
  expect(await other.page.getByLabel('Cork lamp', { exact: true }).inputValue()).toBe('77.25');
  await other.page.reload();
  expect(await other.page.getByLabel('Cork lamp', { exact: true }).inputValue()).toBe('77.25');
  expect([...one.complaints, ...other.complaints]).toEqual([]);
});

test('many tabs of one browser do not take all its connections, and each is up to date when it is looked at', async () => {
  const { app } = await serveOnRedis();
  const first = await openDashboard(browser, app);
  const tabs = [first];
  while (tabs.length < 8) {
    await setHidden(tabs.at(-1) ?? first, true);
    tabs.push(await openTab(first));
  }
  const { page } = tabs.at(-1) ?? first;
  await first.page.getByText('paused').waitFor();
  await page.getByLabel('Cork lamp', { exact: true }).fill('310.50');
  await page.getByRole('button', { name: 'Set the price of Cork lamp' }).click();
  await page.getByText('Cork lamp is 310.50 now.').waitFor();

  await setHidden(first, false);
  await first.page.locator('#stream-state[data-state="live"]').waitFor();
  const price = first.page.getByLabel('Cork lamp', { exact: true });
  await until(async () => (await price.inputValue()) === '310.50');
  expect(tabs.flatMap(({ complaints }) => complaints)).toEqual([]);
});

test('with Redis frozen the page stays calm, says what each feature does, and recovers', async () => {
  const { app } = await serveOnRedis();
  const { page, complaints } = await openDashboard(browser, app);
  await logIn(page);
  await page.locator('#redis-pill').getByText('Redis in use').waitFor();
  await page.getByRole('button', { name: 'Freeze Redis for 3 s' }).click();
  await page.locator('#redis-pill[data-state="away"]').waitFor();
  for (const feature of ['rate-limit', 'session', 'response-cache', 'cache-aside']) {
    await page
      .locator(`[data-feature="${feature}"]`)
      .getByText(/^goes without: /)
      .waitFor();
  }
  await page.getByText(/^Redis is away: nobody can tell/).waitFor();
  await page.getByText(/^Bypassed because: .*redis-unavailable/).waitFor();

  await page.locator('#redis-pill').getByText('Redis in use').waitFor();
  await page
    .locator('#freeze-said')
    .getByText(/^Thawed\. \d+ requests meanwhile/)
    .waitFor();
  await page.getByText('Logged in as Ada Lovelace.').waitFor();
  expect(await page.locator('tr.away').count()).toBe(0);
  expect(complaints).toEqual([]);
});

test('load shows both routes, and what the cache did', async () => {
  const { app } = await serveOnRedis();
  const { page, complaints } = await openDashboard(browser, app);
  await page.getByRole('button', { name: 'Load for 15 s' }).click();
  for (const route of ['cached', 'uncached']) {
    await page.locator(`[data-route="${route}"] [data-cell="p99"]`).getByText(/ m?s$/).waitFor();
  }
  await page.locator('#pages [data-outcome="hit"] [data-cell="count"]').getByText(/[1-9]/).waitFor();
  await page.getByRole('button', { name: 'Purge the pages' }).click();
  await page.getByText('Purged: the next one is a miss.').waitFor();
  expect(complaints).toEqual([]);
});

test('without Redis the page says so, and works', async () => {
  const app = await serveShop(shop.sql);
  const { page, complaints } = await openDashboard(browser, app);
  await page.getByText('no Redis: in this process').waitFor();
  await logIn(page);
  await page
    .locator('[data-limiter="api"]')
    .getByText(/counted in this process/)
    .waitFor();
  expect(complaints).toEqual([]);
});

describe.each(['light', 'dark'] as const)('in the %s', (colorScheme) => {
  test('nothing stands in the way of those who see, hear or move less', async () => {
    const { app } = await serveOnRedis();
    const { page } = await openDashboard(browser, app, { colorScheme, reducedMotion: 'reduce' });
    await logIn(page);
    await page.evaluate(axe.source);
    const violations = await page.evaluate(`axe.run().then(({ violations }) =>
      violations.map(({ id, nodes }) => [id, ...nodes.map(({ target }) => target.join(' '))]))`);
    expect(violations).toEqual([]);
  });
});

test.each([360, 700, 1001])(
  '%i pixels are wide enough: nothing scrolls sideways or sticks out',
  async (width) => {
    const { app } = await serveOnRedis();
    const { page } = await openDashboard(browser, app, { viewport: { width, height: 800 } });
    await logIn(page);
    await page.getByRole('button', { name: 'Place an order' }).click();
    await page
      .locator('#order-said')
      .getByText(/^Order/)
      .waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  },
);
