import * as Flags from '@oclif/core/flags'

import {mostHistory} from '../../lib/cache/bucket-config.js'
import {initBuckets, type InitResult} from '../../lib/cache/init.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {UsageError} from '../../lib/errors.js'
import {initView, memoryNote} from '../../lib/output/buckets.js'
import {parseSize} from '../../lib/size.js'

const sizeFlag = Flags.custom<number>({helpValue: 'SIZE', parse: (text) => Promise.resolve(parseSize(text))})

const domainFlag = Flags.custom({
  helpValue: 'DOMAIN',
  parse: (text) => {
    if (/^[^\s.*>\p{C}]+$/u.test(text)) return Promise.resolve(text)
    throw new UsageError(`${JSON.stringify(text)} is not the name of a JetStream domain.`)
  },
})

export default class CacheInit extends LatticeCommand<InitResult> {
  static override summary = 'Make the buckets of a lattice, or change how they are kept.'

  static override description =
    'The first host makes them too, but with history 1, and never changes them. What is not said stays as it is.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --replicas 3',
    '<%= config.bin %> <%= command.id %> --update --history 64',
    '<%= config.bin %> <%= command.id %> --mirror-of hub --dry-run --json',
  ]

  static override flags = {
    storage: Flags.option({options: ['file', 'memory'] as const, summary: 'Where they lie; default file.'})(),
    replicas: Flags.integer({min: 1, max: 5, helpValue: 'N', summary: 'Servers that have a copy; default 1.'}),
    'placement-tags': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      helpValue: 'TAG',
      summary: 'Only on servers with all of these tags.',
    }),
    history: Flags.integer({
      min: 1,
      max: mostHistory,
      helpValue: 'N',
      summary: `Revisions kept of each key; default ${mostHistory}.`,
    }),
    'max-bytes': sizeFlag({summary: 'Refuse writes when a bucket holds so much; default no limit.'}),
    description: Flags.string({helpValue: 'TEXT', summary: 'What is said about the buckets.'}),
    atomic: Flags.boolean({allowNo: true, summary: 'Let them take many writes as one (nats-server 2.12).'}),
    'mirror-of': domainFlag({
      summary: 'Follow the buckets of another JetStream domain: at a leaf node those of its hub.',
    }),
    update: Flags.boolean({default: false, summary: 'Change buckets that are there and kept otherwise.'}),
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      options: ['lose-revisions'],
      summary: 'Allow one thing that is refused otherwise; "lose-revisions": keep fewer than there are.',
    }),
    confirm: confirmFlag,
    'dry-run': dryRunFlag,
  }

  async run(): Promise<InitResult> {
    const {flags} = await this.parse(CacheInit)
    await using lattice = await (flags.update ? this.openToChange(flags) : this.open(flags))

    const {storage, replicas, history, description, atomic, update} = flags
    const result = await initBuckets(await lattice.cache(), {
      storage,
      replicas,
      history,
      description,
      atomic,
      update,
      dialect: lattice.spec.dialect,
      placementTags: flags['placement-tags'],
      maxBytes: flags['max-bytes'],
      mirrorOf: flags['mirror-of'],
      allowLoss: flags.allow?.includes('lose-revisions'),
      dryRun: flags['dry-run'],
    })

    this.log(initView(result))
    const note = memoryNote(result)
    if (note !== undefined) this.note(note)
    return result
  }
}
