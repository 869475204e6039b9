/** `npm run api`: writes docs/api.md anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apiReference } from './api.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
writeFileSync(join(ROOT, 'docs/api.md'), await apiReference(ROOT));
