#!/usr/bin/env node
import {fileURLToPath} from 'node:url'
import module from 'node:module'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 13)) {
  process.stderr.write(`lattice needs Node 22.13 or newer; this is ${process.versions.node}.\n`)
  process.exitCode = 1
} else {
  module.enableCompileCache?.()
  const {main} = await import('../dist/program/main.js')
  await main(process.argv.slice(2), fileURLToPath(new URL('..', import.meta.url)))
}
