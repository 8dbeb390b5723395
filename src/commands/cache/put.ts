import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {parseFieldEdit, type FieldEdit} from '../../lib/cache/compose.js'
import {readValue} from '../../lib/cache/input.js'
import {changeWithoutSecrets, putRecord, type CacheChange} from '../../lib/cache/write.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {bucketFlag, expectedRevisionFlag, recordKeyArg, recordKindArg} from '../../lib/cli/record-args.js'
import {cacheChangeView} from '../../lib/output/cache.js'
import {secretNames} from '../../lib/records/secrets.js'

export default class CachePut extends LatticeCommand<CacheChange> {
  static override summary = 'Write one record of the lattice cache, by compare-and-set.'

  static override description =
    'The value is an argument, a file or stdin; with --set alone the present record is changed. Records are checked and written in the form that every host reads.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> link echo/wasmcloud:httpserver --file link.json',
    '<%= config.bin %> <%= command.id %> claims echo --set call_alias=echo --dry-run',
    '<%= config.bin %> <%= command.id %> key notes \'{"owner":"shop"}\' --create --json',
  ]

  static override args = {
    kind: recordKindArg({required: true}),
    key: Args.string(recordKeyArg),
    value: Args.string({ignoreStdin: true, description: 'The record; a JSON object unless the kind is key.'}),
  }

  static override flags = {
    file: Flags.string({char: 'f', helpValue: 'FILE', summary: 'Read the value from a file; - is stdin.'}),
    set: Flags.custom<FieldEdit>({
      multiple: true,
      helpValue: 'PATH=VALUE',
      summary: 'Set one field, such as values.URL=redis://127.0.0.1; repeatable.',
      parse: (text) => Promise.resolve(parseFieldEdit(text)),
    })(),
    revision: expectedRevisionFlag,
    create: Flags.boolean({summary: 'Write only if there is no such record.', exclusive: ['revision']}),
    bucket: bucketFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<CacheChange> {
    const {args, flags} = await this.parse(CachePut)
    const value = await readValue({value: args.value, file: flags.file, optional: flags.set !== undefined})
    for (const name of secretNames((flags.set ?? []).map(({path}) => path.join('.')))) {
      this.note(
        `Warning: '${name}' looks like a secret, and other users can see it in the list of processes. Use --file.`,
      )
    }
    await using lattice = await this.open(flags)

    const {revision, create, set, bucket, 'dry-run': dryRun} = flags
    const record = {kind: args.kind, key: args.key, value}
    const change = await putRecord(await lattice.cache(), record, {revision, create, set, bucket, dryRun})

    const shown = changeWithoutSecrets(change)
    this.log(cacheChangeView(shown))
    return shown
  }
}
