/** A headless Chromium, and pages in it that note everything a calm page does not do. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onTestEnd } from '../support/cleanup.js';
import type { Served } from '../support/http.js';

/** Without what Chromium does besides: asking the network for updates, hosts and suggestions. */
const QUIET = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Letters in shades of one colour, so that pictures are the same everywhere.
  '--disable-lcd-text',
];

/** With an empty profile of its own. Close it in `afterAll`. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH;
  if (!executablePath) throw new Error('CHROMIUM_PATH is not set: run these with: npm run test:browser');
  // Its sandbox does not work for root.
  return chromium.launch({ executablePath, args: QUIET, chromiumSandbox: process.getuid?.() !== 0 });
}

/** A page, and what happened in it that should not have. */
export interface Visit {
  readonly page: Page;
  /** Errors in the console or uncaught, violations of the Content-Security-Policy, requests to other hosts. */
  readonly complaints: readonly string[];
}

/** The dashboard in a browser of its own, which has no cookies yet and is closed with the test; drawn and connected. */
export async function openDashboard(
  browser: Browser,
  { url }: Pick<Served, 'url'>,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  onTestEnd(() => context.close());
  const visit = watch(await context.newPage(), url);
  await visit.page.goto(url);
  await visit.page.locator('#stream-state[data-state="live"]').waitFor();
  return visit;
}

/** The same browser, another tab. */
export async function openTab({ page }: Visit): Promise<Visit> {
  const url = new URL(page.url()).origin;
  const tab = watch(await page.context().newPage(), url);
  await tab.page.goto(url);
  await tab.page.locator('#stream-state[data-state="live"]').waitFor();
  return tab;
}

/** What a tab is told when another one is brought to the front, or it itself is again. */
export async function setHidden({ page }: Visit, isHidden: boolean): Promise<void> {
  await page.evaluate(`(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: ${isHidden} });
    document.dispatchEvent(new Event('visibilitychange'));
  })()`);
}

function watch(page: Page, url: string): Visit {
  const complaints: string[] = [];
  page.on('console', (message) => {
    const line = `${message.type()}: ${message.text()} (${message.location().url})`;
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    // Chromium's own words about what the page provokes: hammering until it is limited.
    if (/status of 429/.test(line) && /\/api\//.test(message.location().url)) return;
    complaints.push(line);
  });
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
  page.on('request', (request) => {
    const isOwn = request.url().startsWith(`${url}/`) || request.url().startsWith('data:');
    if (!isOwn) complaints.push(`request to ${request.url()}`);
  });
  return { page, complaints };
}
