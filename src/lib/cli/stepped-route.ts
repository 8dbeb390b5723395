import {stepLine} from '../output/route-steps.js'
import type {Stepped, SteppedCanary, StepEvent} from '../routes/strategies/steps.js'
import {HeldRouteCommand} from './held-route.js'
import {changeOptions} from './route-command.js'

/** A command that changes a route step by step. */
export abstract class SteppedRouteCommand extends HeldRouteCommand {
  /** Goes through the steps; a document a line with `--json`, else a line a step on stderr and the end on stdout. */
  protected async steps(
    flags: Parameters<HeldRouteCommand['change']>[0],
    shift: SteppedCanary['shift'],
    steps: SteppedCanary['steps'],
  ): Promise<Stepped> {
    const signal = this.noted(this.signal())
    const options = changeOptions(flags)
    this.printLines(!options.dryRun)
    await using lattice = await this.openToChange(flags)
    return await (
      await lattice.routes()
    ).step(
      {shift, steps, options},
      {signal, clock: this.clock, reopen: this.reopen(lattice, flags), report: (event) => this.#tell(event)},
    )
  }

  #tell(event: StepEvent): void {
    if (!event.dryRun) this.note(stepLine(event, new Date(this.clock.now())))
    if (event.dryRun) this.report(event)
    else if (this.jsonEnabled()) this.logLine(event)
    else if (event.event !== 'live') this.report(event)
  }
}
