import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import type {CacheDiff} from '../../lib/cache/diff.js'
import {parseDiffRequest, runDiff} from '../../lib/cache/diff-request.js'
import {readValue} from '../../lib/cache/input.js'
import {openAgainst} from '../../lib/cli/against.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {latticeFlag} from '../../lib/cli/flags.js'
import {bucketFlag, recordKindArg} from '../../lib/cli/record-args.js'
import {cacheDiffView, sameView} from '../../lib/output/cache-diff.js'

export default class CacheDiffCommand extends LatticeCommand<CacheDiff> {
  static override summary = 'Show how records differ: two revisions, two keys, a file, or two lattices.'

  static override description =
    'Without --from and --to the last change of a record is shown. The order of fields makes no difference; numbers are compared digit by digit.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> config http-8000',
    '<%= config.bin %> <%= command.id %> claims echo@1.2.0 --from 17 --to 21',
    '<%= config.bin %> <%= command.id %> link echo/wasmcloud:keyvalue --file link.json --exit-code',
    '<%= config.bin %> <%= command.id %> --against-context staging --json',
  ]

  static override args = {
    kind: recordKindArg({description: 'Kind of record; all when two lattices are compared.'}),
    key: Args.string({ignoreStdin: true, description: 'Key of the record; all when two lattices are compared.'}),
    other: Args.string({ignoreStdin: true, description: 'Key of another record of the same kind to compare with.'}),
  }

  static override flags = {
    from: Flags.integer({min: 1, helpValue: 'N', summary: 'The older revision; default the one before --to.'}),
    to: Flags.integer({min: 1, helpValue: 'N', summary: 'The newer revision; default the present one.'}),
    file: Flags.string({
      char: 'f',
      helpValue: 'FILE',
      summary: 'Compare with what a file would make of it; - is stdin.',
    }),
    'against-context': Flags.string({helpValue: 'NAME', summary: 'Compare with the lattice of this context.'}),
    'against-lattice': latticeFlag({summary: 'Compare with the lattice of this name.'}),
    'exit-code': Flags.boolean({default: false, summary: 'Exit with 20 when something differs.'}),
    raw: Flags.boolean({default: false, summary: 'Show secrets as they are.'}),
    bucket: bucketFlag,
  }

  async run(): Promise<CacheDiff> {
    const {args, flags} = await this.parse(CacheDiffCommand)
    const {'against-context': context, 'against-lattice': lattice, 'trust-context': trust} = flags
    const against = context !== undefined || lattice !== undefined
    const request = parseDiffRequest({...args, ...flags, against})
    const value = request.mode === 'file' ? await readValue({file: request.file}) : undefined
    await using here = await this.open(flags)
    await using there = against ? await openAgainst(here, {context, lattice, trust}) : undefined

    const diff = await runDiff(request, {here: await here.cache(), there: await there?.cache(), value})

    if (diff.differs) this.log(cacheDiffView(diff))
    else if (this.terminal) this.log(sameView(diff))
    if (diff.differs && flags['exit-code']) endWith('differs')
    return diff
  }
}
