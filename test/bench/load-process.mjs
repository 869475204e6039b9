// The client's side: sends a given number of requests over keep-alive connections, one at a time on each, and times them.
//
// On bare sockets, because on a machine of two cores a full HTTP client would take from the server what it is measured by.

import net from 'node:net';

const PATIENCE_MS = 120_000;

/**
 * @typedef {object} Order
 * @property {number} port
 * @property {string[]} requests whole requests; connection i sends the i-th of every `connections`
 * @property {number} count how many to send in all
 * @property {number} connections
 */

process.on('message', function carryOut(/** @type {Order} */ order) {
  sendAll(order).then(
    (outcome) => process.send?.(outcome),
    (error) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());

/** @param {Order} order */
async function sendAll({ port, requests, count, connections }) {
  /** @type {Record<string, number>} */
  const statuses = {};
  /** @type {number[]} */
  const latenciesMs = [];
  const startedAt = performance.now();
  const share = Math.ceil(count / connections);
  await Promise.all(
    Array.from({ length: connections }, (_, connection) => {
      const own = requests.filter((_request, index) => index % connections === connection);
      const most = Math.min(share, count - connection * share);
      return own.length === 0 || most <= 0 ? undefined : sendOver(port, own, most, seen);
    }),
  );
  const sent = latenciesMs.length;
  const durationMs = performance.now() - startedAt;
  latenciesMs.sort((a, b) => a - b);
  const p99Ms = latenciesMs[Math.min(sent - 1, Math.floor(sent * 0.99))];
  return { sent, durationMs, p99Ms, statuses };

  /**
   * @param {string} status
   * @param {number} ms
   */
  function seen(status, ms) {
    statuses[status] = (statuses[status] ?? 0) + 1;
    latenciesMs.push(ms);
  }
}

/**
 * @param {number} port
 * @param {string[]} requests
 * @param {number} count
 * @param {(status: string, ms: number) => void} seen
 * @returns {Promise<void>}
 */
function sendOver(port, requests, count, seen) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let sent = 0;
    let sentAt = 0;
    let begun = '';
    /** @type {number | undefined} */
    let whole;
    let received = 0;
    socket.setEncoding('latin1');
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no answer')));
    socket.on('connect', sendNext);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server closed the connection')));
    socket.on('data', function receive(chunk) {
      received += chunk.length;
      if (whole === undefined) {
        begun += chunk;
        whole = lengthOf(begun);
      }
      if (whole === undefined || received < whole) return;
      seen(begun.slice(9, 12), performance.now() - sentAt);
      begun = '';
      whole = undefined;
      received = 0;
      sendNext();
    });

    function sendNext() {
      if (sent === count) {
        resolve();
        return void socket.destroy();
      }
      sentAt = performance.now();
      socket.write(/** @type {string} */ (requests[sent % requests.length]), 'latin1');
      sent += 1;
    }
  });
}

/**
 * Of the response that begins here, head and body; undefined while its head is incomplete.
 *
 * @param {string} received
 */
function lengthOf(received) {
  const head = received.indexOf('\r\n\r\n');
  if (head === -1) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(received.slice(0, head + 2))?.[1];
  if (length === undefined) throw new Error(`a response without Content-Length: ${received.slice(0, head)}`);
  return head + 4 + Number(length);
}
