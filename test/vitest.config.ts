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
    // Servers that are killed elect their leaders in a time of their own, and a pipeline's machine has other work.
    retry: process.env['CI'] ? 2 : 0,
  },
})
