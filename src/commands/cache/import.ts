import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {askToAgree} from '../../lib/cli/agree.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag, ownTerminal, type Terminal} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {ProgressLine} from '../../lib/cli/progress.js'
import {recordKindFlag} from '../../lib/cli/record-args.js'
import {UsageError} from '../../lib/errors.js'
import {importView, previewView, surplusView} from '../../lib/output/transfer.js'
import {bundleAllowances, type BundleAllowance} from '../../lib/transfer/bundle-errors.js'
import {importModes, type ImportMode} from '../../lib/transfer/decide.js'
import {importRecords, type ImportResult} from '../../lib/transfer/import.js'

export default class CacheImport extends LatticeCommand<ImportResult> {
  static override summary = 'Write the records of an export to the lattice cache, by compare-and-set.'

  static override description =
    'A file is checked as a whole before anything is written. An import that was stopped is run again and ends as if it had not been. Memory does not grow with the file, except with --prune, which keeps the keys. The timeout counts from the last answer.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> backup.jsonl --dry-run',
    '<%= config.bin %> <%= command.id %> backup.jsonl --mode replace --lattice staging',
    'zcat backup.jsonl.gz | <%= config.bin %> <%= command.id %> - --kind link --json',
  ]

  static override args = {
    file: Args.string({required: true, ignoreStdin: true, description: 'An export, JSON lines or YAML; - is stdin.'}),
  }

  static override flags = {
    mode: Flags.option({
      options: importModes,
      default: 'create' as ImportMode,
      summary: 'create: only what is not there; replace: also over what is; merge: put fields into what is.',
    })(),
    kind: recordKindFlag({multiple: true, multipleNonGreedy: true, summary: 'Only records of this kind; repeatable.'}),
    prune: Flags.boolean({
      default: false,
      summary: 'Then delete records of the exported kinds that are not in it; asks first.',
      exclusive: ['atomic'],
    }),
    yes: Flags.boolean({char: 'y', default: false, summary: 'Do not ask before --prune deletes.'}),
    atomic: Flags.boolean({
      default: false,
      summary: 'All or nothing: at most 1000 records, in a bucket that allows it (cache init --atomic).',
    }),
    validate: Flags.boolean({
      default: true,
      allowNo: true,
      summary: 'Check records by their kind; --no-validate is for repair work.',
    }),
    allow: Flags.custom<BundleAllowance>({
      options: [...bundleAllowances],
      parse: (text) => Promise.resolve(text as BundleAllowance),
      multiple: true,
      multipleNonGreedy: true,
      summary: 'Import what is refused otherwise: without its end, changed since, or without its secrets.',
    })(),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<ImportResult> {
    const {args, flags} = await this.parse(CacheImport)
    const {mode, kind: kinds, prune, yes, atomic, validate, allow = [], 'dry-run': dryRun} = flags
    const terminal = ownTerminal()
    if (prune && !yes && !dryRun && terminal === undefined) throw new UnaskedError(args.file)
    // A server that restarts is waited for as long as the timeout allows.
    await using lattice = await this.openToChange(flags, {reconnect: 'forever'})

    if (!validate) this.warn('Records are not checked: what hosts cannot read is written too.')
    using progress = new ProgressLine(dryRun ? 'Comparing' : 'Importing', this.clock)
    const result = await importRecords(await lattice.cache(), {
      file: args.file,
      mode,
      kinds,
      prune,
      atomic,
      validate,
      allow,
      dryRun,
      confirmPrune: (surplus) => {
        progress[Symbol.dispose]()
        this.note(surplusView(surplus))
        return yes ? Promise.resolve(true) : askToDelete(surplus.length, terminal)
      },
      report: (event) => {
        if (event.type === 'progress') progress.show(event)
        else this.log(previewView(event.change))
      },
      signal: this.signal(),
    })

    progress[Symbol.dispose]()
    this.tell(result)
    return result
  }

  private tell(result: ImportResult): void {
    const {surplus = [], kept, leftRoutes} = result
    this.log(surplusView(surplus))
    this.log(importView(result))
    if (kept > 0)
      this.note(`Kept, because something else is there: ${kept}. --mode replace or --mode merge writes them.`)
    if (leftRoutes > 0) this.note(`Left out, because only route commands write routes: ${leftRoutes}.`)
  }
}

function askToDelete(count: number, terminal: Terminal | undefined): Promise<boolean> {
  return terminal === undefined
    ? Promise.resolve(false)
    : askToAgree(`Delete ${count === 1 ? 'this record' : `these ${count} records`}?`, terminal)
}

class UnaskedError extends UsageError {
  constructor(file: string) {
    super('--prune deletes records, and nobody can be asked here.', {
      suggestions: [`lattice cache import ${file} --prune --dry-run`, '--yes'],
    })
  }
}
