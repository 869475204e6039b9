// Which query parameters tell pages apart: what a handler may see as one that counts, counts.
import { describe, expect, it } from '@jest/globals';
import express from 'express';
import { pathThatCounts, type QueryRules } from '../../lib/response-cache/query.js';
import { connect, uniqueNamespace } from '../support/redis.js';
import { expressSite, isHit } from './site.js';

const ALL: QueryRules = { only: undefined, ignore: [], ignoresOrder: false };
const tracked: QueryRules = { ...ALL, ignore: ['gclid', 'utm_*'] };
const paged: QueryRules = { ...ALL, only: new Set(['page']) };
const sorted: QueryRules = { ...ALL, ignoresOrder: true };

describe('a path', () => {
  it.each<[string, QueryRules, string, string]>([
    ['stays as it is', ALL, '/a?b=1&&c', '/a?b=1&&c'],
    ['without a query too', paged, '/a', '/a'],
    ['leaves ignored parameters out', tracked, '/a?utm_source=x&b=1&gclid=2', '/a?b=1'],
    ['and the question mark after the last one', tracked, '/a?utm_source=x', '/a'],
    ['however they are spelled', tracked, '/a?utm%5Fsource=x&b=1', '/a?b=1'],
    [
      'but not what only resembles them',
      tracked,
      '/a?xutm_a=1&gclid[]=2&Gclid=3',
      '/a?xutm_a=1&gclid[]=2&Gclid=3',
    ],
    ['keeps every one of a name that counts', paged, '/a?page=1&x=2&page=3', '/a?page=1&page=3'],
    [
      'in all spellings that parsers know',
      paged,
      '/a?page[]=1&[page]=2&p%61ge=3&page.x=4&x[page]=5&y=6',
      '/a?page[]=1&[page]=2&p%61ge=3&page.x=4&x[page]=5',
    ],
    ['is the same in any order of names', sorted, '/a?c=1&a=2&b', '/a?a=2&b&c=1'],
    ['but not in any order of values', sorted, '/a?b=2&a[]=3&b=1&a=2', '/a?a[]=3&a=2&b=2&b=1'],
    ['holds what cannot be decoded', tracked, '/a?%zz=1&utm_x=2', '/a?%zz=1'],
    ['holds a second question mark', tracked, '/a?b=?utm_x=1', '/a?b=?utm_x=1'],
  ])('%s', (_name, rules, path, expected) => {
    expect(pathThatCounts(path, rules)).toBe(expected);
  });

  it('with more parameters than some parsers read counts to the last byte', () => {
    const flood = `/a?${'utm_a=1&'.repeat(100)}page=2`;
    for (const rules of [tracked, paged, sorted]) expect(pathThatCounts(flood, rules)).toBe(flood);
  });
});

describe('two queries that lead to one page', () => {
  const names = [
    'page',
    'p%61ge',
    'page[]',
    '[page]',
    'page[a]',
    'x',
    'x[page]',
    'utm_a',
    'utm%5Fa',
    'utm_a[]',
    '',
  ];

  it.each<[string, QueryRules, (name: string) => boolean]>([
    ['vary.query', paged, (name) => name === 'page'],
    ['queryParams.ignore', tracked, (name) => !name.startsWith('utm_')],
    ['queryParams.sort', sorted, () => true],
  ])('are the same to a handler that heeds what counts: %s', (_name, rules, counts) => {
    const parse = express().set('query parser', 'extended').get('query parser fn') as (
      query: string,
    ) => Record<string, unknown>;
    const seen = new Map<string, string>();
    for (let round = 0; round < 20_000; round += 1) {
      const size = Math.floor(Math.random() * 4);
      const pick = () => names[Math.floor(Math.random() * names.length)];
      const query = Array.from({ length: size }, () => `${pick()}=${Math.floor(Math.random() * 2)}`).join(
        '&',
      );
      const read = Object.entries(parse(query)).filter(([name]) => counts(name));
      const heeded = JSON.stringify(read.sort(([one], [other]) => (one < other ? -1 : 1)));
      const page = pathThatCounts(`/a?${query}`, rules);
      expect([query, seen.get(page) ?? heeded]).toEqual([query, heeded]);
      seen.set(page, heeded);
    }
  });
});

describe('a site', () => {
  it('answers from one page what differs in ignored parameters, and forgets it by any of its URLs', async () => {
    const options = { ttl: 60_000, queryParams: { ignore: ['utm_*'], sort: true }, hosts: ['shop.example'] };
    const shop = await expressSite(
      { client: await connect(), namespace: uniqueNamespace(), ...options },
      (req, res) => res.end(req.url),
    );
    const host = { host: 'shop.example' };
    await shop.get('/a?b=1&a=2', host);
    expect(isHit(await shop.get('/a?a=2&utm_source=mail&b=1', host))).toBe(true);
    expect(isHit(await shop.get('/a?a=2&b=2', host))).toBe(false);
    await shop.purge('/a?utm_medium=x&a=2&b=1');
    expect(isHit(await shop.get('/a?a=2&b=1', host))).toBe(false);
  });
});
