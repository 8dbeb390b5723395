// A process of its own that splits one route, so that it can be killed in the middle of it: `node route-program.ts JSON`
// with a RouteProgram. It prints the change as JSON, or what hindered it.
import {stdout} from 'node:process'

import {ControlClient} from '../../src/lib/control/client.js'
import {parseVersion} from '../../src/lib/entity/version.js'
import {LatticeError} from '../../src/lib/errors.js'
import {openConnection} from '../../src/lib/nats/connect.js'
import {SystemClient} from '../../src/lib/nats/system.js'
import {Routes} from '../../src/lib/routes/routes.js'
import {parseSplit} from '../../src/lib/routing/weights.js'
import type {RouteProgram} from './killed-route.js'

const {spec, systemUrl, key, weights, versions} = JSON.parse(process.argv[2]!) as RouteProgram
const [connection, system] = await Promise.all([
  openConnection(spec),
  SystemClient.open({...spec, servers: [systemUrl]}),
])
const control = new ControlClient(connection, {lattice: spec.lattice, timeoutMs: spec.timeoutMs})
try {
  const routes = await Routes.open({connection, spec, control, system: () => Promise.resolve(system)})
  const hints = {entity: {name: key}, versions: versions.map(parseVersion)}
  stdout.write(JSON.stringify(await routes.split(parseSplit([weights]), hints)))
} catch (error) {
  if (!(error instanceof LatticeError)) throw error
  stdout.write(JSON.stringify({error: {kind: error.kind, message: error.message}}))
} finally {
  await Promise.all([system[Symbol.asyncDispose](), connection.close()])
}
