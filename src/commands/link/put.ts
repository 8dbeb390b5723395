import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {readValue} from '../../lib/cache/input.js'
import {parseLinkValue, parseLinkValues, putLink} from '../../lib/cache/links.js'
import {changeWithoutSecrets, type CacheChange} from '../../lib/cache/change.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {expectedRevisionFlag} from '../../lib/cli/record-args.js'
import {cacheChangeView} from '../../lib/output/cache.js'
import {secretNames} from '../../lib/records/secrets.js'

export default class LinkPut extends LatticeCommand<CacheChange> {
  static override summary = 'Link an actor to a provider; works with no host alive.'

  static override description =
    'There is one link for each actor, contract and link name: it is replaced, and so are its values.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo httpserver --value address=127.0.0.1:8080',
    '<%= config.bin %> <%= command.id %> orders kvredis --contract wasmcloud:keyvalue --values redis.json --dry-run',
    '<%= config.bin %> <%= command.id %> echo httpserver --value address=127.0.0.1:8080 --json',
  ]

  static override args = {
    actor: Args.string({ignoreStdin: true, required: true, description: 'Actor: name, call alias, key or key prefix.'}),
    provider: Args.string({
      ignoreStdin: true,
      required: true,
      description: 'Provider: name, key, key prefix, or httpserver for the built-in one.',
    }),
  }

  static override flags = {
    contract: Flags.string({helpValue: 'ID', summary: "Contract id; default the one in the provider's claims."}),
    link: Flags.string({helpValue: 'NAME', summary: 'Link name.', default: 'default'}),
    value: Flags.custom<readonly [string, string]>({
      multiple: true,
      helpValue: 'NAME=VALUE',
      summary: 'A value for the provider; repeatable.',
      parse: (text) => Promise.resolve(parseLinkValue(text)),
    })(),
    values: Flags.string({
      helpValue: 'FILE',
      summary: 'Read values from a JSON object in a file, - for stdin: the place for secrets.',
    }),
    revision: expectedRevisionFlag,
    create: Flags.boolean({summary: 'Write only if there is no such link.', exclusive: ['revision']}),
    'dry-run': dryRunFlag,
  }

  async run(): Promise<CacheChange> {
    const {args, flags} = await this.parse(LinkPut)
    const given = await readValue({file: flags.values, optional: true})
    const fromArguments = Object.fromEntries(flags.value ?? [])
    for (const name of secretNames(Object.keys(fromArguments))) {
      this.note(
        `Warning: '${name}' looks like a secret, and other users can see it in the list of processes. Use --values.`,
      )
    }
    const values = {...(given === undefined ? {} : parseLinkValues(given)), ...fromArguments}
    await using lattice = await this.open(flags)

    const {contract, link, revision, create, 'dry-run': dryRun} = flags
    const change = await putLink(await lattice.cache(), {...args, contract, link, values}, {revision, create, dryRun})

    const shown = changeWithoutSecrets(change)
    this.log(cacheChangeView(shown))
    return shown
  }
}
