import {fileURLToPath} from 'node:url'
import {defineConfig} from 'vitest/config'

export default defineConfig({
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['test/**/*.test.ts'],
    disableConsoleIntercept: true,
    expect: {requireAssertions: true},
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Most tests wait for processes and servers, so that more of them fit into the same time than there are processors.
    maxWorkers: 3,
    // Servers that are killed elect their leaders in a time of their own, and a pipeline's machine has other work.
    retry: process.env['CI'] ? 2 : 0,
  },
})
