// A host for tests of who starts hosts: started as `lattice host run` would be, it answers pings and keeps a state
// file. Runs by itself, so it imports nothing of the project.
import {appendFileSync, existsSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {parseArgs} from 'node:util'

import {fromSeed} from '@nats-io/nkeys'
import {connect, credsAuthenticator} from '@nats-io/transport-node'

const {values} = parseArgs({
  args: process.argv.slice(4),
  options: {
    lattice: {type: 'string', default: ''},
    context: {type: 'string', default: ''},
    'host-seed-file': {type: 'string', default: ''},
    'cluster-seed-file': {type: 'string', default: ''},
    'state-file': {type: 'string', default: ''},
    'allowed-issuer': {type: 'string', multiple: true, default: []},
    'allow-files': {type: 'string', multiple: true, default: []},
  },
})
if (values['allow-files'].some((folder) => folder.endsWith('fatal'))) {
  console.error('The peer host ends as it was told.')
  process.exit(1)
}

const id = fromSeed(new TextEncoder().encode(readFileSync(values['host-seed-file'], 'utf8').trim())).getPublicKey()
const contextFile = join(process.env['XDG_CONFIG_HOME'] ?? '', 'nats', 'context', `${values.context}.json`)
const {url, creds} = JSON.parse(readFileSync(contextFile, 'utf8')) as {url: string; creds: string}
const nc = await connect({
  servers: url,
  authenticator: credsAuthenticator(readFileSync(creds)),
  maxReconnectAttempts: -1,
})

const restored = existsSync(values['state-file'])
if (!restored) writeFileSync(values['state-file'], '{}')
appendFileSync(`${values['state-file']}.starts`, restored ? 'restored\n' : 'new\n')

nc.subscribe(`wasmbus.ctl.${values.lattice}.ping.hosts`, {
  callback: (_error, message) => {
    message.respond(JSON.stringify({id, arguments: process.argv.slice(2)}))
  },
})
process.once('SIGTERM', () => {
  appendFileSync(`${values['state-file']}.starts`, 'drained\n')
  void nc.drain().then(() => process.exit(0))
})
