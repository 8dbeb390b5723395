// npm run bench -- <name>…: runs the named measurements, all of them without a name.
import {readdirSync} from 'node:fs'

const parts = new Set(['run.ts', 'stats.ts'])
const all = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !parts.has(file))
  .map((file) => file.replace(/\.ts$/, ''))
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !all.includes(name))

if (unknown.length > 0) {
  process.stderr.write(`No measurement '${unknown.join("', '")}'; there are ${all.join(', ')}.\n`)
  process.exitCode = 2
} else {
  for (const name of wanted.length > 0 ? wanted : all) await import(`./${name}.ts`)
}
