import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {deleteLink} from '../../lib/cache/links.js'
import {changeWithoutSecrets, type CacheChange} from '../../lib/cache/change.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {expectedRevisionFlag} from '../../lib/cli/record-args.js'
import {cacheChangeView} from '../../lib/output/cache.js'

export default class LinkDel extends LatticeCommand<CacheChange> {
  static override summary = 'Delete the link of an actor; works with no host alive.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> echo httpserver',
    '<%= config.bin %> <%= command.id %> orders --contract wasmcloud:keyvalue --link cache --dry-run',
    '<%= config.bin %> <%= command.id %> echo httpserver --json',
  ]

  static override args = {
    actor: Args.string({ignoreStdin: true, required: true, description: 'Actor: name, call alias, key or key prefix.'}),
    provider: Args.string({ignoreStdin: true, description: 'Provider; may be left out when one link fits.'}),
  }

  static override flags = {
    contract: Flags.string({helpValue: 'ID', summary: 'Contract id.'}),
    link: Flags.string({helpValue: 'NAME', summary: 'Link name.'}),
    revision: expectedRevisionFlag,
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<CacheChange> {
    const {args, flags} = await this.parse(LinkDel)
    await using lattice = await this.openToChange(flags)

    const {contract, link, revision, 'dry-run': dryRun} = flags
    const change = await deleteLink(await lattice.cache(), {...args, contract, link}, {revision, dryRun})

    const shown = changeWithoutSecrets(change)
    this.log(cacheChangeView(shown))
    return shown
  }
}
