// One progress line per event, with the seconds since this program started.

/** @param {string} text */
export function say(text) {
  const seconds = (performance.now() / 1000).toFixed(1).padStart(5);
  process.stderr.write(`[${seconds} s] ${text}\n`);
}

/**
 * The one sentence of an error that a person needs.
 *
 * @param {unknown} error
 */
export function reason(error) {
  return error instanceof Error ? error.message : String(error);
}
