import * as Args from '@oclif/core/args'

import {changeWithoutSecrets, type CacheChange} from '../../lib/cache/change.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {ownWriter} from '../../lib/cli/editor.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {bucketFlag, recordKeyArg, recordKindArg, validateFlag} from '../../lib/cli/record-args.js'
import {editRecord} from '../../lib/edit/edit.js'
import {cacheChangeView, changeWarnings} from '../../lib/output/cache.js'
import {clean} from '../../lib/output/text.js'

export default class CacheEdit extends LatticeCommand<CacheChange> {
  static override summary = 'Edit one record of the lattice cache as YAML, in your editor.'

  static override description =
    'The editor is $VISUAL or $EDITOR. What is not valid is opened again with the error above it, and a change by others is shown beside yours. Nothing that was typed is lost: it stays in a file that is named. Secrets are in that file as they are.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> link echo/wasmcloud:httpserver',
    '<%= config.bin %> <%= command.id %> claims echo@1.2.0 --dry-run',
    "EDITOR='sed -i s/8080/8081/' <%= config.bin %> <%= command.id %> link echo/wasmcloud:httpserver --json",
  ]

  static override args = {
    kind: recordKindArg({required: true}),
    key: Args.string(recordKeyArg),
  }

  static override flags = {
    validate: validateFlag,
    bucket: bucketFlag,
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<CacheChange> {
    const {args, flags} = await this.parse(CacheEdit)
    const writer = ownWriter()
    await using lattice = await (flags.validate ? this.open(flags, {reconnect: 'forever'}) : this.openToChange(flags))

    const {validate, bucket, 'dry-run': dryRun} = flags
    const report = (line: string): void => this.note(clean(line))
    const change = await editRecord(await lattice.cache(), args, {validate, bucket, dryRun, report, ...writer})

    const shown = changeWithoutSecrets(change)
    for (const warning of changeWarnings(shown)) this.note(warning)
    this.log(cacheChangeView(shown))
    return shown
  }
}
