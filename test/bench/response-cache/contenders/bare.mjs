// The handler without any cache.

import { serveBench } from '../../contender-process.mjs';
import { answerPage, newApp } from './app.mjs';

serveBench(newApp().use(answerPage));
