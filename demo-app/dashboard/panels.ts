/** The panels of the dashboard, one function each. What the scripts fill in has an id or a data attribute. */
import { type Html, html } from './html.js';
import type { SessionLifetimes } from './own-session.js';
import type { ShownLimiter } from './windows.js';

export interface PageFacts {
  /** Empty without the database. */
  readonly products: readonly { readonly id: number; readonly name: string; readonly price: number }[];
  readonly limiters: readonly Pick<ShownLimiter, 'name' | 'what' | 'windowMs'>[];
  readonly lifetimes: SessionLifetimes;
  readonly hasRedis: boolean;
  /** Whether the demo started Redis itself. */
  readonly mayFreeze: boolean;
}

export function reportPanel(): Html {
  return html`<section class="panel wide" id="report" aria-labelledby="report-title">
    <header>
      <h2 id="report-title">One report, with the cache and without</h2>
      <p>The best sellers of 30 days, added up by Postgres. Two routes with the same handler; before one of them stands
        <code>responseCache()</code>.</p>
      <div class="actions">
        <button type="button" class="primary" id="load">Load for 15 s</button>
        <span class="said" id="load-said" role="status"></span>
      </div>
    </header>
    <div class="plots">
      <figure><figcaption>Answers per second</figcaption><div class="plot" id="plot-rate" role="img" aria-label="Answers per second over the last two minutes; the numbers are in the table below"></div></figure>
      <figure><figcaption>Latency in ms, log scale; <span class="dash">dashed: p99</span></figcaption><div class="plot" id="plot-latency" role="img" aria-label="Latency over the last two minutes; the numbers are in the table below"></div></figure>
    </div>
    <table class="figures">
      <caption class="hidden">The last full second in which something was answered</caption>
      <thead><tr><th scope="col">route</th><th scope="col">answers/s</th><th scope="col">p50</th><th scope="col">p99</th></tr></thead>
      <tbody>
        ${timingRow('cached', 'with the cache')}
        ${timingRow('uncached', 'without')}
      </tbody>
    </table>
  </section>`;
}

function timingRow(route: string, label: string): Html {
  return html`<tr data-route="${route}"><th scope="row"><span class="key ${route}" aria-hidden="true"></span>${label}</th>
    <td data-cell="rate">–</td><td data-cell="p50">–</td><td data-cell="p99">–</td></tr>`;
}

const FEATURES = [
  ['rate-limit', 'Rate limiter', 'limits in this process, by its own window'],
  ['session', 'Sessions', 'answers 503 with Retry-After; nobody is logged out'],
  ['response-cache', 'Response cache', 'asks the handler; Cache-Status says so'],
  ['cache-aside', 'Cache-aside', 'asks Postgres, once per key at a time'],
] as const;

export function redisPanel({ hasRedis, mayFreeze }: PageFacts): Html {
  return html`<section class="panel" id="redis" data-redis="${hasRedis ? 'yes' : 'no'}" aria-labelledby="redis-title">
    <header>
      <h2 id="redis-title">Redis, and life without it</h2>
      <p>${hasRedis ? 'Nobody waits for a Redis that does not answer.' : 'There is none: limits, sessions and caches live in this process.'}</p>
      <div class="actions">
        ${mayFreeze ? html`<button type="button" id="freeze">Freeze Redis for 3 s</button>` : ''}
        <span class="said" id="freeze-said" role="status"></span>
      </div>
    </header>
    ${hasRedis ? html`<p class="big"><span id="ping">–</span> <small>PING, median of 10 s</small></p>` : ''}
    <table class="states">
      <caption class="hidden">What each feature does</caption>
      <thead><tr><th scope="col">feature</th><th scope="col">now</th></tr></thead>
      <tbody>
        ${FEATURES.map(
          ([feature, label, meanwhile]) => html`<tr data-feature="${feature}">
          <th scope="row">${label}</th><td><span class="dot" aria-hidden="true"></span><span data-cell="now">${hasRedis ? 'uses Redis' : 'in this process'}</span>
          <small>${hasRedis ? `without it: ${meanwhile}` : ''}</small></td></tr>`,
        )}
      </tbody>
    </table>
    <p class="hidden" id="redis-said" role="status"></p>
  </section>`;
}

export function limitsPanel({ limiters }: PageFacts): Html {
  return html`<section class="panel wide" id="limits" aria-labelledby="limits-title">
    <header>
      <h2 id="limits-title">Your windows</h2>
      <p>Every hit is a line that slides out on the left; then there is room for another one. Yours only.</p>
      <div class="actions">
        <button type="button" class="primary" id="hammer">Hammer</button>
        <span class="said" id="hammer-said" role="status"></span>
      </div>
    </header>
    ${limiters.map(
      ({
        name,
        what,
        windowMs,
      }) => html`<div class="window" data-limiter="${name}" data-window-ms="${windowMs}">
      <h3>${what}</h3>
      <p class="budget"><strong data-cell="remaining">–</strong> <span data-cell="limit"></span></p>
      <canvas class="track" role="img" aria-label="Hits in the window"></canvas>
      <p class="ends" aria-hidden="true"><span>${seconds(windowMs)} ago</span><span>now</span></p>
      <p class="next" data-cell="next">–</p>
    </div>`,
    )}
    <p class="hidden" id="limits-said" role="status"></p>
  </section>`;
}

function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

const OUTCOMES = [
  ['hit', 'served from the cache'],
  ['stale', 'served at once, renewed behind'],
  ['validate', 'the handler was asked, and had nothing new'],
  ['miss', 'made by the handler, and kept'],
  ['bypass', 'the cache stood aside'],
] as const;

const LOOKUPS = [
  ['hit', 'from the cache'],
  ['miss', 'from Postgres, and kept'],
  ['shared', 'another request was loading it'],
  ['bypass', 'from Postgres, past the cache'],
] as const;

export function cachePanel(): Html {
  return html`<section class="panel" id="cache" aria-labelledby="cache-title">
    <header>
      <h2 id="cache-title">What the caches did</h2>
      <div class="actions">
        <button type="button" id="purge">Purge the pages</button>
        <span class="said" id="purge-said" role="status"></span>
      </div>
    </header>
    ${counters('pages', 'Response cache', OUTCOMES)}
    <p class="reasons" id="bypasses"></p>
    ${counters('values', 'Cache-aside', LOOKUPS)}
  </section>`;
}

function counters(id: string, title: string, rows: readonly (readonly [string, string])[]): Html {
  return html`<table class="counters" id="${id}">
    <caption>${title}<span class="hidden">: answers since the start of this process</span></caption>
    <tbody>${rows.map(
      ([
        outcome,
        meaning,
      ]) => html`<tr data-outcome="${outcome}"><th scope="row">${outcome}<span class="bar" aria-hidden="true"></span></th>
      <td class="meaning">${meaning}</td><td data-cell="count">0</td></tr>`,
    )}</tbody>
  </table>`;
}

export function sessionPanel({ lifetimes }: PageFacts): Html {
  return html`<section class="panel" id="session" aria-labelledby="session-title">
    <header>
      <h2 id="session-title">Your session</h2>
      <p id="session-who" role="status">…</p>
    </header>
    <form id="login" method="post" action="/api/login" hidden>
      <label>E-mail <input name="email" type="email" autocomplete="username" value="ada@example.com" required></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" value="demo" required></label>
      <button type="submit" class="primary">Log in</button>
      <p class="hint">Everybody’s password is <code>demo</code>.</p>
    </form>
    <div id="lifetimes" hidden>
      ${lifetime('idle', 'ends unless used', lifetimes.idleMs)}
      ${lifetime('absolute', 'ends anyway', lifetimes.absoluteMs)}
      <div class="actions"><button type="button" id="use">Use it</button><button type="button" id="logout">Log out</button></div>
    </div>
    <h3 id="devices-title" hidden>Your devices</h3>
    <ul id="devices" class="devices" aria-labelledby="devices-title"></ul>
    <p class="said" id="session-said" role="status"></p>
  </section>`;
}

function lifetime(which: string, label: string, wholeMs: number): Html {
  return html`<div class="lifetime" data-lifetime="${which}"><span>${label}</span> <span class="clock" data-cell="left">–</span>
    <progress max="${wholeMs}" value="0" aria-label="${label}"></progress></div>`;
}

export function shopPanel({ products }: PageFacts): Html {
  return html`<section class="panel" id="shop" aria-labelledby="shop-title">
    <header>
      <h2 id="shop-title">Prices</h2>
      <p>Written through: in the database and in the cache, then announced to every open page.</p>
    </header>
    ${products.length === 0 ? html`<p class="note">The database is away.</p>` : ''}
    <ul class="prices">
      ${products.map(
        ({ id, name, price }) => html`<li data-product="${id}"><form>
        <label for="price-${id}">${name}</label>
        <input id="price-${id}" name="price" type="number" inputmode="decimal" min="0.01" max="1000000" step="0.01" value="${price.toFixed(2)}" required>
        <button type="submit" aria-label="Set the price of ${name}">Set</button></form></li>`,
      )}
    </ul>
    <p class="said" id="shop-said" role="status"></p>
  </section>`;
}

export function eventsPanel(): Html {
  return html`<section class="panel" id="events" aria-labelledby="events-title">
    <header>
      <h2 id="events-title">What happens in the shop</h2>
      <div class="actions"><button type="button" id="order">Place an order</button><span class="said" id="order-said" role="status"></span></div>
    </header>
    <div class="log" role="log" aria-labelledby="events-title" tabindex="0"><ol id="log"><li class="empty">Nothing yet: place an order, or change a price.</li></ol></div>
  </section>`;
}
