// What node:http itself costs.

import { serveBench } from '../../contender-process.mjs';
import { answerBytes, PAGES } from './app.mjs';

serveBench((req, res) => answerBytes(res, PAGES[req.url]));
