// The least a Node process can do for the same answer: connect, ask once, print, close.
import {connect} from '@nats-io/transport-node'

const [server, key] = process.argv.slice(2)
const nc = await connect({servers: server})
const reply = await nc.request(`$JS.API.DIRECT.GET.KV_LATTICEDATA_default.$KV.LATTICEDATA_default.${key}`)
process.stdout.write(`${reply.string()}\n`)
await nc.close()
