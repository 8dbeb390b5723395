// A process of its own that answers calls of two versions and calls the source all the time: `node requests.ts URL
// CREDS SOURCE RATE LEG=VERSION…`. It
// prints what came back as one JSON line when its input ends.
import {readFileSync} from 'node:fs'

import {connect, credsAuthenticator, type NatsConnection} from '@nats-io/transport-node'

const [url = '', creds = '', source = '', rate = '', ...legs] = process.argv.slice(2)
const counts: Record<string, number> = {lost: 0}
const reasons: Record<string, number> = {}
let sent = 0
let pending = 0

function open(): Promise<NatsConnection> {
  return connect({servers: url, authenticator: credsAuthenticator(readFileSync(creds))})
}

async function serve(leg: string): Promise<NatsConnection> {
  const [subject = '', version = ''] = leg.split('=')
  const nc = await open()
  nc.subscribe(subject, {queue: subject, callback: (_error, message) => void message.respond(version)})
  await nc.flush()
  return nc
}

async function call(nc: NatsConnection): Promise<void> {
  sent++
  pending++
  try {
    const version = (await nc.request(source, 'x', {timeout: 5000})).string()
    counts[version] = (counts[version] ?? 0) + 1
  } catch (error) {
    counts['lost']!++
    const reason = (error as Error).message
    reasons[reason] = (reasons[reason] ?? 0) + 1
  }
  pending--
}

const workers = await Promise.all(legs.map(serve))
const caller = await open()
process.stdout.write('ready\n')

// Calls begin with the first line of input: before it the caller has no route yet.
process.stdin.once('data', () => {
  const started = performance.now()
  const timer = setInterval(() => {
    const due = ((performance.now() - started) / 1000) * Number(rate)
    while (sent < due && pending < 256) void call(caller)
  }, 2)
  process.stdin.once('end', () => {
    clearInterval(timer)
    void finish()
  })
})

async function finish(): Promise<void> {
  while (pending > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  process.stdout.write(`${JSON.stringify({sent, counts, reasons})}\n`)
  await Promise.all([caller, ...workers].map((nc) => nc.close()))
}
