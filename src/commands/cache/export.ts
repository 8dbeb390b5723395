import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {ProgressLine} from '../../lib/cli/progress.js'
import {recordKindFlag} from '../../lib/cli/record-args.js'
import {UsageError} from '../../lib/errors.js'
import {exportView} from '../../lib/output/transfer.js'
import {exportRecords, type ExportResult} from '../../lib/transfer/export.js'

export default class CacheExport extends LatticeCommand<ExportResult> {
  static override summary = 'Write every record of the lattice cache to a file or to stdout.'

  static override description =
    'Memory does not grow with the cache, except with --sort. Secrets are in it unless --redact is given; on a terminal they are never shown without --raw. The timeout counts from the last record that came.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --output backup.jsonl',
    '<%= config.bin %> <%= command.id %> --kind link --kind config --format yaml',
    '<%= config.bin %> <%= command.id %> --redact --output lattice.jsonl --json',
  ]

  static override flags = {
    output: Flags.string({char: 'o', helpValue: 'FILE', summary: 'Write to this file, at once when all is there.'}),
    kind: recordKindFlag({multiple: true, multipleNonGreedy: true, summary: 'Only records of this kind; repeatable.'}),
    format: Flags.option({
      options: ['jsonl', 'yaml'] as const,
      default: 'jsonl' as const,
      summary: 'JSON lines, or YAML documents to read and edit.',
    })(),
    sort: Flags.option({
      options: ['key'] as const,
      summary: 'By key, which keeps all records in memory; default as they were written.',
    })(),
    redact: Flags.boolean({default: false, summary: 'Replace what may be a secret by "set".'}),
    raw: Flags.boolean({default: false, summary: 'Values as base64 of their bytes.', exclusive: ['redact']}),
  }

  async run(): Promise<ExportResult> {
    const {flags} = await this.parse(CacheExport)
    const {output: file, kind: kinds, format, sort, raw} = flags
    if (file === undefined && this.jsonEnabled()) throw new NoFileError()
    await using lattice = await this.open(flags, {reconnect: 'forever'})

    using progress = new ProgressLine('Exporting', this.clock)
    const result = await exportRecords(await lattice.cache(), {
      file,
      kinds,
      format,
      sort,
      raw,
      redact: flags.redact || (this.terminal && file === undefined && !raw),
      printable: this.terminal,
      now: this.clock.now(),
      report: (state) => progress.show(state),
      signal: this.signal(),
    })

    progress[Symbol.dispose]()
    if (file === undefined) this.note(exportView(result))
    else this.log(exportView(result, file))
    return result
  }
}

class NoFileError extends UsageError {
  constructor() {
    super('With --json the records need a file of their own.', {suggestions: ['--output backup.jsonl']})
  }
}
