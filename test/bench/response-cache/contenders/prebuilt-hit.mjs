// The least that a cache in memory can do under Express and by RFC 9111: the buffer with the age and the date of the page, and
// with a word about where it came from (RFC 9211).

import { serveBench } from '../../contender-process.mjs';
import { answerBytes, newApp, PAGES } from './app.mjs';

const startedAt = Date.now();
const date = new Date(startedAt).toUTCString();

serveBench(
  newApp().use((req, res) => {
    const age = Math.floor((Date.now() - startedAt) / 1000);
    res.setHeader('Age', age);
    res.setHeader('Date', date);
    res.setHeader('Cache-Status', `ExpressRedisSuite; hit; ttl=${3600 - age}`);
    answerBytes(res, PAGES[req.path]);
  }),
);
