// Puts each command's imports into few files: most of a command's start-up is finding and reading some 200 small ones.
import {fileURLToPath} from 'node:url'

import {rolldown} from 'rolldown'

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url))

const bundle = await rolldown({
  input: {main: path('dist/lib/cli/main.js'), worker: path('dist/lib/wasm/worker.js')},
  platform: 'node',
  // oclif loads the compiler only to run TypeScript sources.
  external: ['typescript'],
  logLevel: 'warn',
})
await bundle.write({
  dir: path('dist/program'),
  format: 'esm',
  minify: {compress: true, mangle: false, codegen: {removeWhitespace: true}},
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  cleanDir: true,
})
await bundle.close()
