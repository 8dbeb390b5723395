import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {entityRefArg} from '../lib/cli/args.js'
import {versionFlag} from '../lib/cli/flags.js'
import {ServicesCommand} from '../lib/cli/services-command.js'
import {servicesFlag} from '../lib/cli/services-flag.js'
import {callEntity, type CallResult} from '../lib/entities/call.js'
import {withVersion} from '../lib/entity/entity.js'
import {callView} from '../lib/output/entity.js'

export default class Call extends ServicesCommand<CallResult> {
  static override summary =
    'Call one operation of an actor or micro service, on one version or wherever its route leads.'

  static override description =
    'With a version the call goes to exactly that version, also while it is dark. The payload for an actor is JSON and is ' +
    'sent as MessagePack; --raw sends the bytes as they are. The operation of a micro service is the name of an endpoint, ' +
    'that of a service which a file declares is one of its sources, and the payload is sent as it is.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo@2.0.0 HttpServer.HandleRequest \'{"method":"GET","path":"/","queryString":"","header":{},"body":""}\'',
    '<%= config.bin %> <%= command.id %> echo Echo.Echo \'"hello"\' --json',
    '<%= config.bin %> <%= command.id %> echo Echo.Echo hello --raw',
    '<%= config.bin %> <%= command.id %> orders@2.0.0 get \'{"id":7}\'',
  ]

  static override args = {
    entity: entityRefArg({required: true, description: 'Actor or service, such as echo or orders@2.0.0.'}),
    operation: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'Operation, such as HttpServer.HandleRequest, or endpoint.',
    }),
    payload: Args.string({ignoreStdin: true, description: 'JSON; nothing sends an empty payload.'}),
  }

  static override flags = {
    version: versionFlag({summary: 'Version to call.'}),
    services: servicesFlag,
    raw: Flags.boolean({default: false, summary: 'Send and show the payload as text, not as MessagePack or JSON.'}),
  }

  async run(): Promise<CallResult> {
    const {args, flags} = await this.parse(Call)
    const ref = withVersion(args.entity, flags.version)
    await using lattice = await this.open(flags)

    const result = await callEntity(await lattice.control(), ref, {
      operation: args.operation,
      payload: args.payload,
      raw: flags.raw,
      connection: lattice.connection,
      spec: lattice.spec,
      declared: await lattice.declared(ref),
    })

    this.log(callView(result))
    return result
  }
}
