// A jest reporter that leaves the numbers of a run in a file, for test/run.mjs.

import { renameSync, writeFileSync } from 'node:fs';

/**
 * The part of jest's AggregatedResult that is read.
 *
 * @typedef {object} Results
 * @property {number} numPassedTests
 * @property {number} numFailedTests
 * @property {number} numRuntimeErrorTestSuites
 * @property {number} numPendingTests
 * @property {number} numTodoTests
 */

export default class Tally {
  /**
   * @param {unknown} _contexts
   * @param {Results} results
   */
  onRunComplete(_contexts, results) {
    const path = process.env.TEST_TALLY_FILE;
    if (!path) return;
    const tally = {
      passed: results.numPassedTests,
      // A file that does not even load has no tests to count, and has failed all the same.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    // In one step: it is read while we write.
    writeFileSync(`${path}.new`, JSON.stringify(tally));
    renameSync(`${path}.new`, path);
  }
}
