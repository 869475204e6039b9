// CommonJS on purpose: Jest transforms every import, so mocks and coverage need no experimental flags,
// and the package is exercised the way CommonJS users load it. `test/package` tries both builds for real.
/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '^.+\\.[cm]?tsx?$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  moduleNameMapper: {
    '^express-redis-suite$': '<rootDir>/lib/index.ts',
    '^express-redis-suite/(.*)$': '<rootDir>/lib/$1/index.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  setupFilesAfterEnv: ['<rootDir>/test/support/after-each.ts'],
  testTimeout: 20_000,
  maxWorkers: 2,
};
