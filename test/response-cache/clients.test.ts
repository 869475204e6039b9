// One contract, every kind of client: pages are kept, purged, and renewed the same through all of them.
import { describe, expect, it } from '@jest/globals';
import { onTestEnd } from '../support/cleanup.js';
import { clientKinds, startServers } from '../support/client-kinds.js';
import { uniqueNamespace } from '../support/redis.js';
import { expressSite, isHit } from './site.js';

const servers = startServers();

describe.each(clientKinds)('Through $name', (kind) => {
  it.each([undefined, 'prefix:'])('pages are kept and purged: keyPrefix %s', async (keyPrefix) => {
    if (keyPrefix !== undefined && !kind.hasKeyPrefix) return;
    const opened = kind.open(servers, keyPrefix);
    onTestEnd(() => opened.close());
    await opened.connect();
    const site = await expressSite(
      { client: opened.client, namespace: uniqueNamespace() },
      (req, res, run) => {
        (res as unknown as Express.Response).cacheTags('all', `page:${req.url}`);
        res.writeHead(200, { 'Cache-Control': 'max-age=60', Vary: 'X-Team' }).end(`run ${run}`);
      },
    );
    const paths = ['/a', '/b', '/c', '/d'];
    const hits = () => Promise.all(paths.map(async (path) => isHit(await site.get(path))));
    const untilAllAreHits = async () => {
      while ((await hits()).includes(false));
    };

    await untilAllAreHits();
    await site.cache.purgeTags('page:/b', 'page:/c');
    expect(await hits()).toEqual([true, false, false, true]);
    await untilAllAreHits();
    await site.cache.purge(`${site.url}/d`);
    expect(await hits()).toEqual([true, true, true, false]);
    await untilAllAreHits();
    await site.cache.purgeTags('all');
    expect(await hits()).toEqual([false, false, false, false]);
    await untilAllAreHits();
    await site.cache.expireTags('all');
    const text = (await site.get('/a')).text;
    while ((await site.get('/a')).text === text);
  });
});
