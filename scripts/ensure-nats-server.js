// Finds or fetches nats-server with the built code: steps on stderr, the path alone on stdout.
import {LatticeError} from '../dist/lib/errors.js'
import {ensureNatsServer} from '../dist/lib/server/fetch.js'

const say = (text) => process.stderr.write(`setup: ${text}\n`)

try {
  const {path, version, from} = await ensureNatsServer({report})
  if (from !== 'fetched') say(`nats-server ${version} (${from})`)
  process.stdout.write(`${path}\n`)
} catch (error) {
  if (!(error instanceof LatticeError)) throw error
  say(error.message)
  for (const suggestion of error.suggestions) process.stderr.write(`  ${suggestion}\n`)
  process.exitCode = 1
}

function report(event) {
  if (event.kind === 'trying') say(`fetching ${event.source}`)
  if (event.kind === 'failed') say(`not from there: ${event.reason}`)
  if (event.kind === 'fetched') say(`nats-server ${event.version} is in ${event.path}`)
}
