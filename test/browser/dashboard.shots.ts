/** The pictures of the dashboard in docs/images, each of the same size whenever they are taken. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, jest, test } from '@jest/globals';
import type { Page } from 'playwright-core';
import { freshDatabase, launchDemo, startDemo } from '../demo-app/support.js';
import { onTestEnd } from '../support/cleanup.js';
import { RedisServer } from '../support/redis-server.js';
import { launchChromium, openDashboard } from './browser.js';
import { smallPng } from './small-png.js';

const FOLDER = join(__dirname, '..', '..', 'docs', 'images');
const MOST_BYTES = 200_000;
const PHONE = { width: 360, height: 800 };
/** Enough for a report that is worth caching. */
const ORDERS = '60000';

jest.setTimeout(180_000);

test('the pictures of the dashboard', async () => {
  const [server, database, browser] = await Promise.all([
    RedisServer.start(),
    freshDatabase(),
    launchChromium(),
  ]);
  onTestEnd(() => browser.close());
  onTestEnd(database.drop);
  const environment = {
    DATABASE_URL: database.url,
    REDIS_URL: server.url,
    DEMO_REDIS_PID: String(server.pid),
    DEMO_ORDERS: ORDERS,
  };
  const demo = await startDemo(environment);
  launchDemo(environment, 'worker');

  const elsewhere = await openDashboard(browser, demo, { userAgent: 'Mozilla/5.0 Firefox/140.0' });
  await logIn(elsewhere.page);
  await elsewhere.page.context().close();
  const { page, complaints } = await openDashboard(browser, demo);
  await logIn(page);
  await live(page);

  const pictures = new Map<string, Buffer>();
  async function take(name: string) {
    // Canvases are drawn a moment after the style has changed.
    await sleep(500);
    pictures.set(name, await page.screenshot({ fullPage: true }));
  }
  async function takePanel(id: string, name = `panel-${id}`) {
    pictures.set(name, await page.locator(`#${id}`).screenshot());
  }

  await take('dashboard');
  for (const panel of ['report', 'redis', 'limits', 'cache', 'session', 'shop', 'events']) {
    await takePanel(panel);
  }
  await page.emulateMedia({ colorScheme: 'dark' });
  await take('dashboard-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(PHONE);
  await take('dashboard-phone');

  await page.setViewportSize({ width: 1280, height: 900 });
  await page.getByRole('button', { name: 'Freeze Redis for 3 s' }).click();
  await page.locator('tr.away').nth(3).waitFor();
  await takePanel('redis', 'panel-redis-frozen');
  expect(complaints).toEqual([]);
  // At the end, for it takes a while, and the page lives.
  for (const [name, png] of pictures) keep(name, png);
});

async function logIn(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByText('Logged in as Ada Lovelace.').waitFor();
}

/** Two rounds of load, with something to see in every panel. */
async function live(page: Page): Promise<void> {
  const press = (name: string) => page.getByRole('button', { name }).click();
  await press('Load for 15 s');
  for (let order = 0; order < 3; order += 1) {
    await press('Place an order');
    await sleep(2500);
  }
  await page.getByText(/answers with the cache/).waitFor();
  await page.getByLabel('Glass lamp', { exact: true }).fill('42.50');
  await press('Set the price of Glass lamp');
  await page.getByText('Glass lamp is 42.50 now.').waitFor();
  await press('Load for 15 s');
  for (let burst = 0; burst < 3; burst += 1) {
    await page.evaluate(
      `Promise.all(Array.from({ length: 9 }, () => fetch('/api/products/2').then(() => 0)))`,
    );
    await sleep(3000);
  }
  await press('Hammer');
  await page.getByText(/ passed, .* denied/).waitFor();
  await page
    .locator('#load-said')
    .getByText(/answers with the cache/)
    .waitFor();
  await sleep(3000);
}

function keep(name: string, png: Buffer): void {
  const small = smallPng(png);
  expect(small.length).toBeLessThan(MOST_BYTES);
  writeFileSync(join(FOLDER, `${name}.png`), small);
}
