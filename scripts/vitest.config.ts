import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: `${import.meta.dirname}/..`,
    include: [
      'packages/*/test/**/*.test.ts',
      'packages/*/examples/**/*.test.ts',
      'scripts/test/**/*.test.ts',
      'test-cluster/**/*.test.ts',
    ],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: the cluster tests start processes of their own.
    maxWorkers: 2,
  },
})
