// The least that a cache in memory can do under Express: a middleware that answers a buffer.

import { serveBench } from '../../contender-process.mjs';
import { answerBytes, newApp, PAGES } from './app.mjs';

serveBench(newApp().use((req, res) => answerBytes(res, PAGES[req.path])));
