// Express and the handlers, without any middleware: what is left to save.

import { serveShop } from './app.mjs';

serveShop({});
