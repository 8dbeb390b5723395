import type {Interfaces} from '@oclif/core'
import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {confirmFlag, refuseOther} from '../../lib/cli/confirm.js'
import {dryRunFlag} from '../../lib/cli/flags.js'
import {parseLeafName} from '../../lib/leaf/subjects.js'
import {detachLeaf, type LeafStarted} from '../../lib/leaf-server/detach.js'
import type {LeafReport} from '../../lib/leaf-server/report.js'
import {planLeaf, runLeaf, type LeafPlan, type LeafRan} from '../../lib/leaf-server/run.js'
import {parseListen, type LeafSettings, type ListenAddress} from '../../lib/leaf-server/settings.js'
import type {ConnectSpec} from '../../lib/nats/spec.js'
import {leafPlanView, leafReportLine, leafStartedView} from '../../lib/output/leaf.js'

const nameFlag = Flags.custom({helpValue: 'NAME', parse: (text) => Promise.resolve(parseLeafName(text))})
const listenFlag = Flags.custom<ListenAddress>({
  helpValue: 'HOST:PORT',
  parse: (text) => Promise.resolve(parseListen(text)),
})

/** What a leaf node is told, whoever starts it. */
export function leafSettings(flags: Interfaces.InferredFlags<typeof LeafRun.flags>): LeafSettings {
  return {
    name: flags.name,
    sources: flags.source,
    accountWide: flags['account-wide'],
    listen: flags.listen ?? {host: '127.0.0.1', port: 4222},
    remotes: flags.remote,
    acceptKeys: flags['accept-key'],
    leafKeyFile: flags['leaf-key'],
    usersFile: flags['users-file'],
    allow: flags.allow,
    offline: flags.offline,
  }
}

export default class LeafRun extends LatticeCommand<LeafRan> {
  static override summary = 'Run a leaf node of your account that splits what its callers send.'

  static override description =
    'For users who hold no keys: needs nothing but their credentials. Callers connect to the leaf node; callers elsewhere are as before. With --account-wide all callers of the account are split, by this one leaf node alone: while it is away they get no answer.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --source orders.get',
    "<%= config.bin %> <%= command.id %> --name edge --source 'orders.>' --listen 0.0.0.0:4222 --users-file users.conf",
    '<%= config.bin %> <%= command.id %> --account-wide --source orders.get --json',
  ]

  static override flags = {
    name: nameFlag({default: 'default', summary: 'What leaf nodes share that split alike.'}),
    source: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      default: [],
      helpValue: 'SUBJECT',
      summary: 'What it may split, wildcards too; repeatable.',
    }),
    'account-wide': Flags.boolean({default: false, summary: 'Split for all callers of the account.'}),
    listen: listenFlag({summary: 'Where callers connect; port -1 for any. Default: 127.0.0.1:4222.'}),
    remote: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      default: [],
      helpValue: 'URL',
      summary: 'Where the servers take leaf nodes; repeatable. Default: port 7422 of each server.',
    }),
    'accept-key': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      default: [],
      helpValue: 'U…',
      summary: 'Public user key whose changes it takes, beside its own; repeatable.',
    }),
    'leaf-key': Flags.string({
      helpValue: 'FILE',
      summary: 'User seed that stands for the leaf node where the credentials have none.',
    }),
    'users-file': Flags.string({
      helpValue: 'FILE',
      summary: 'The users that may call through it, as nats-server writes them: users: […].',
    }),
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      default: [],
      options: ['source-doubled', 'clustered-hub'],
      summary: 'Run in spite of this.',
    }),
    confirm: confirmFlag,
    detach: Flags.boolean({default: false, summary: 'Run it in the background; lattice leaf stop ends it.'}),
    'dry-run': dryRunFlag,
    offline: Flags.boolean({default: false, summary: 'Never fetch nats-server (LATTICE_OFFLINE=1).'}),
  }

  #result: LeafPlan | LeafStarted | undefined

  async run(): Promise<LeafRan> {
    const {flags} = await this.parse(LeafRun)
    const settings = leafSettings(flags)
    const spec = await this.spec(flags)
    const report = (event: LeafReport): void => this.#tell(event)
    if (flags['dry-run']) return this.#show(await planLeaf(spec, settings, {report}), leafPlanView)
    const named = await this.#agree(settings, spec, flags.confirm)
    if (flags.detach) return this.#show(await this.#detach(settings, spec, named), leafStartedView)
    return runLeaf(spec, settings, {signal: this.signal(), clock: this.clock, report})
  }

  /** One for the whole account changes what callers elsewhere get; the words that say so to whoever runs it for us. */
  async #agree({accountWide}: LeafSettings, spec: ConnectSpec, given: string | undefined): Promise<string[]> {
    refuseOther(spec.context, given)
    if (!accountWide || !spec.protected || spec.context === undefined) return []
    await this.confirmed(spec.context, given)
    return given === undefined ? ['--confirm', spec.context] : []
  }

  #detach({name}: LeafSettings, {lattice, timeoutMs}: ConnectSpec, more: readonly string[]): Promise<LeafStarted> {
    const report = (event: LeafReport): void => this.note(leafReportLine(event))
    const options = {argv: [...this.argv, ...more], clock: this.clock, report, timeoutMs: timeoutMs + 20_000}
    return detachLeaf({key: {lattice, name}, ...options})
  }

  #show<T extends LeafPlan | LeafStarted>(result: T, view: (result: T) => string): T {
    this.log(view(result))
    this.#result = result
    return result
  }

  #tell(report: LeafReport): void {
    if (this.jsonEnabled()) this.logLine({time: new Date(this.clock.now()).toISOString(), ...report})
    else this.note(leafReportLine(report))
  }

  protected override get jsonForm(): boolean | 'line' {
    return this.jsonEnabled() && 'line'
  }

  /** What runs here told everything already, a line each. */
  protected override logJson(json: unknown): void {
    if (json === this.#result) super.logJson(json)
  }
}
