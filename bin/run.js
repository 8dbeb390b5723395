#!/usr/bin/env node
import {existsSync} from 'node:fs'
import module from 'node:module'
import {fileURLToPath} from 'node:url'

const program = new URL('../dist/program/main.js', import.meta.url)
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(`lattice needs Node 22.13 or newer; this is ${process.versions.node}.\n`)
  process.exitCode = 1
} else if (!existsSync(program)) {
  process.stderr.write('lattice is not built yet: in its folder, run npm run setup.\n')
  process.exitCode = 1
} else {
  module.enableCompileCache?.()
  const {main} = await import(program.href)
  await main(process.argv.slice(2), fileURLToPath(new URL('..', import.meta.url)))
}
