import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'

import {checkConnection} from '../../lib/check/check.js'
import {abilities, type Ability} from '../../lib/check/needs.js'
import type {CheckReport} from '../../lib/check/report.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {endWith} from '../../lib/cli/exit-code.js'
import {shellWord} from '../../lib/entity/require.js'
import {UsageError} from '../../lib/errors.js'
import {checkView, fixesView} from '../../lib/output/check.js'

const abilityFlag = Flags.custom<Ability>({
  options: [...abilities],
  parse: (text) => Promise.resolve(text as Ability),
})

export default class ContextCheck extends LatticeCommand<CheckReport> {
  static override summary = 'Connect and tell what the connection is good for, and what lattice lacks.'

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> production --for cache --for routes --exit-code',
    '<%= config.bin %> <%= command.id %> --read-only --json',
  ]

  static override args = {
    name: Args.string({ignoreStdin: true, description: 'Name of the context; the one that is used when left out.'}),
  }

  static override flags = {
    for: abilityFlag({
      multiple: true,
      multipleNonGreedy: true,
      summary: 'Check what this needs; default cache and control, and what the connection is set up for.',
    }),
    'read-only': Flags.boolean({default: false, summary: 'Nothing is to be changed, so check for looking on only.'}),
    'exit-code': Flags.boolean({default: false, summary: 'Exit with 20 when something that is needed is missing.'}),
  }

  async run(): Promise<CheckReport> {
    const {args, flags} = await this.parse(ContextCheck)
    const started = performance.now()
    await using lattice = await this.open({...flags, context: contextNamed(args.name, flags.context)})

    const {connection, spec} = lattice
    const report = await checkConnection(connection, spec, {
      named: flags.for,
      readOnly: flags['read-only'],
      clock: this.clock,
      deadline: started + spec.timeoutMs,
    })

    this.log(checkView(report.checks, {terminal: this.terminal}))
    const fixes = fixesView(report.checks)
    if (fixes !== undefined && !this.jsonEnabled()) this.note(fixes)
    if (flags['exit-code'] && !report.complete) endWith('differs')
    return report
  }
}

function contextNamed(name: string | undefined, flag: string | undefined): string | undefined {
  if (name === undefined || flag === undefined || name === flag) return name ?? flag
  throw new UsageError(`Two contexts are named: '${name}' and '${flag}'.`, {
    suggestions: [`lattice context check ${shellWord(name)}`, `lattice context check ${shellWord(flag)}`],
  })
}
