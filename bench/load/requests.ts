// A process of its own that answers requests in two versions and sends requests to a source all the time. It takes its
// task as JSON, and prints what came back as one JSON line when its input ends.
import {readFileSync} from 'node:fs'

import {connect, credsAuthenticator, type NatsConnection} from '@nats-io/transport-node'

import type {LoadTask, LoadUser} from '../cutover/world.ts'

const {source, rate, callers, workers, legs} = JSON.parse(process.argv[2] ?? '') as LoadTask
const counts: Record<string, number> = {lost: 0}
const reasons: Record<string, number> = {}
let sent = 0
let pending = 0

function open({url, creds, user, anonymous}: LoadUser): Promise<NatsConnection> {
  if (anonymous) return connect({servers: url})
  if (user !== undefined) return connect({servers: url, user, pass: user})
  return connect({servers: url, authenticator: credsAuthenticator(readFileSync(creds ?? ''))})
}

/** Every version answers at every server. */
async function serve(worker: LoadUser): Promise<NatsConnection> {
  const nc = await open(worker)
  for (const {subject, version} of legs) {
    nc.subscribe(subject, {queue: subject, callback: (_error, message) => void message.respond(version)})
  }
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

const serving = await Promise.all(workers.map(serve))
const calling = await Promise.all(callers.map(open))
process.stdout.write('ready\n')

// Calls begin with the first line of input: before it the caller has no route yet.
process.stdin.once('data', () => {
  const started = performance.now()
  const timer = setInterval(() => {
    const due = ((performance.now() - started) / 1000) * rate
    while (sent < due && pending < 256) void call(calling[sent % calling.length]!)
  }, 2)
  process.stdin.once('end', () => {
    clearInterval(timer)
    void finish()
  })
})

async function finish(): Promise<void> {
  while (pending > 0) await new Promise((resolve) => setTimeout(resolve, 10))
  process.stdout.write(`${JSON.stringify({sent, counts, reasons})}\n`)
  await Promise.all([...calling, ...serving].map((nc) => nc.close()))
}
