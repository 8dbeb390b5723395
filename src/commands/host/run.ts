import * as Flags from '@oclif/core/flags'

import {LatticeCommand} from '../../lib/cli/command.js'
import {durationFlag} from '../../lib/cli/flags.js'
import {UsageError} from '../../lib/errors.js'
import type {HostReport} from '../../lib/host/report.js'
import {runHost, type HostRan} from '../../lib/host/run.js'
import {hostReportLine} from '../../lib/output/host-run.js'

const labelFlag = Flags.custom<readonly [string, string]>({
  helpValue: 'KEY=VALUE',
  parse: (text) => {
    const at = text.indexOf('=')
    if (at > 0) return Promise.resolve([text.slice(0, at), text.slice(at + 1)])
    throw new UsageError(`${JSON.stringify(text)} is not a label: it is written key=value.`)
  },
})

export default class HostRun extends LatticeCommand<HostRan> {
  static override summary = 'Run a host here, until it is told to stop.'

  static override description =
    'Runs signed modules in several versions side by side. A first SIGTERM or SIGINT lets it finish what it does.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> --allow-files ./build --allowed-issuer AB…',
    '<%= config.bin %> <%= command.id %> --state-file ./host.json --json',
  ]

  static override flags = {
    'host-seed-file': Flags.string({helpValue: 'FILE', summary: 'Key of this host; a new one without it.'}),
    'cluster-issuer': Flags.string({multiple: true, helpValue: 'C…', summary: 'Another cluster whose calls count.'}),
    'allowed-issuer': Flags.string({multiple: true, helpValue: 'A…', summary: 'Who may sign modules; else anyone.'}),
    'allow-files': Flags.string({multiple: true, helpValue: 'DIR', summary: 'Folder whose files may be run.'}),
    'state-file': Flags.string({helpValue: 'FILE', summary: 'Keeps what runs, for the next start.'}),
    'max-workers': Flags.integer({min: 1, max: 1024, summary: 'Worker threads in all; 4 a core without it.'}),
    'rpc-timeout': durationFlag({summary: 'Longest time of one call; 2s without it.'}),
    label: labelFlag({multiple: true, summary: 'Label of this host.'}),
  }

  async run(): Promise<HostRan> {
    const {flags} = await this.parse(HostRun)
    const settings = {
      hostSeedFile: flags['host-seed-file'],
      clusterIssuers: flags['cluster-issuer'],
      allowedIssuers: flags['allowed-issuer'],
      allowFiles: flags['allow-files'],
      stateFile: flags['state-file'],
      maxWorkers: flags['max-workers'],
      rpcTimeoutMs: flags['rpc-timeout'],
      labels: Object.fromEntries(flags.label ?? []),
    }
    const report = (event: HostReport): void => this.#tell(event)
    return runHost(await this.spec(flags), settings, {signal: this.signal(), report})
  }

  #tell(report: HostReport): void {
    const forPeople = !this.jsonEnabled() || report.kind === 'log' || report.kind === 'warning'
    if (forPeople) this.note(hostReportLine(report))
    else this.logLine({time: new Date(this.clock.now()).toISOString(), ...report})
  }

  protected override get jsonForm(): 'line' | false {
    return this.jsonEnabled() && 'line'
  }

  /** Everything was told already, a line each. */
  protected override logJson(): void {
    return
  }
}
