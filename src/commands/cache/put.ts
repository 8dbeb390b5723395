import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {changeWithoutSecrets, type CacheChange} from '../../lib/cache/change.js'
import {parseFieldEdit, type FieldEdit} from '../../lib/cache/compose.js'
import {readValue} from '../../lib/cache/input.js'
import {putRecord} from '../../lib/cache/write.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {bucketFlag, expectedRevisionFlag, recordKeyArg, recordKindArg, validateFlag} from '../../lib/cli/record-args.js'
import {cacheChangeView, changeWarnings} from '../../lib/output/cache.js'
import {secretNames} from '../../lib/records/secrets.js'

export default class CachePut extends LatticeCommand<CacheChange> {
  static override summary = 'Write one record of the lattice cache, by compare-and-set.'

  static override description =
    'The value is an argument, a file or stdin, as JSON or YAML; with --set alone the present record is changed. Records are checked and written in the form that every host reads. A raw key gets exactly the bytes that are given.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> link echo/wasmcloud:httpserver --file link.yaml',
    '<%= config.bin %> <%= command.id %> claims echo --set call_alias=echo --dry-run',
    '<%= config.bin %> <%= command.id %> key notes \'{"owner":"shop"}\' --create --json',
  ]

  static override args = {
    kind: recordKindArg({required: true}),
    key: Args.string(recordKeyArg),
    value: Args.string({
      ignoreStdin: true,
      description: 'The record; an object in JSON or YAML unless the kind is key.',
    }),
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
    yaml: Flags.boolean({summary: 'Of a raw key: read the value as YAML, and store JSON.'}),
    validate: validateFlag,
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      options: ['overwrite'],
      default: [],
      exclusive: ['revision', 'create'],
      summary: 'Allow one thing that is refused otherwise; "overwrite": replace whatever stands there by then.',
    }),
    bucket: bucketFlag,
    confirm: confirmFlag,
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
    const {revision, create, set, yaml, bucket, validate, 'dry-run': dryRun} = flags
    const overwrite = flags.allow.includes('overwrite')
    await using lattice = await (overwrite || !validate ? this.openToChange(flags) : this.open(flags))

    const record = {kind: args.kind, key: args.key, value}
    const options = {revision, create, set, yaml, bucket, validate, overwrite, dryRun}
    const change = await putRecord(await lattice.cache(), record, options)

    const shown = changeWithoutSecrets(change)
    for (const warning of changeWarnings(shown)) this.note(warning)
    this.log(cacheChangeView(shown))
    return shown
  }
}
