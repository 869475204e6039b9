// `npm run faults`: the faults in full. Where it may, in a network namespace of its own, in which packets can be dropped.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from '../../demo-app/setup/install.mjs';
import { say } from '../../demo-app/setup/log.mjs';

const RUNNER = fileURLToPath(new URL('../run.mjs', import.meta.url));
const TESTS = [RUNNER, '--ci', '--testMatch', '**/test/faults/*.faults.ts', ...process.argv.slice(2)];
/** Only the loopback interface, and that is down at first. */
const IN_NAMESPACE = ['--net', 'sh', '-c', 'ip link set lo up && nft list ruleset && exec "$@"', 'sh'];

// Packages come from outside, so before there is no outside.
await ensureInstalled();
const mayDrop = spawnSync('unshare', [...IN_NAMESPACE, 'true'], { stdio: 'ignore' }).status === 0;
say(
  mayDrop
    ? 'in a network namespace: a black hole drops packets'
    : 'no network namespace here (it takes root, nftables and iproute2): a proxy plays the black hole',
);
const { status } = mayDrop
  ? spawnSync('unshare', [...IN_NAMESPACE, process.execPath, ...TESTS], {
      stdio: 'inherit',
      env: { ...process.env, PACKET_FILTER: 'nft' },
    })
  : spawnSync(process.execPath, TESTS, { stdio: 'inherit' });
process.exitCode = status ?? 1;
