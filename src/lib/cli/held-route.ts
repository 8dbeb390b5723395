import {Lattice} from '../lattice.js'
import {clean} from '../output/text.js'
import type {ChangeOptions} from '../routes/draft.js'
import type {RouteChange} from '../routes/result.js'
import type {Routes} from '../routes/routes.js'
import type {Reopen} from '../routes/strategies/hold.js'
import {endWith} from './exit-code.js'
import {durationFlag} from './flags.js'
import {changeOptions, RouteCommand} from './route-command.js'

const summary = 'Stay in the foreground and put back what was before after this time, or on Ctrl-C.'

/** For how long a change is meant. */
export const forFlag = {for: durationFlag({summary})}

/** The same where a change without an end makes no sense. */
export const requiredForFlag = {for: durationFlag({required: true, summary})}

type HeldFlags = Parameters<typeof changeOptions>[0] &
  Parameters<RouteCommand['openToChange']>[0] & {readonly for?: number | undefined}

/** A command that changes a route, for good or for some time. */
export abstract class HeldRouteCommand extends RouteCommand {
  #lines = false

  /** Changes a route as the flags say; with `--for` it ends when the route was put back, and prints a document a line. */
  protected async change(
    flags: HeldFlags,
    act: (routes: Routes, options: ChangeOptions) => Promise<RouteChange>,
  ): Promise<RouteChange> {
    const options = changeOptions(flags)
    const forMs = flags.for
    this.printLines(forMs !== undefined && !options.dryRun)
    const signal = forMs === undefined ? undefined : this.noted(this.signal())
    await using lattice = await this.openToChange(flags)
    const routes = await lattice.routes()

    if (forMs === undefined || signal === undefined) return this.report(await act(routes, options))
    const {change, restored, interrupted} = await routes.hold((held) => act(routes, held), {
      options,
      holding: {
        forMs,
        signal,
        clock: this.clock,
        reopen: this.reopen(lattice, flags),
        report: (done) => this.#tell(done),
      },
    })
    if (interrupted) endWith('interrupted')
    return restored ?? change
  }

  /** From now on each document is a line, the last one included. */
  protected printLines(lines: boolean): void {
    this.#lines = lines
  }

  protected override get jsonForm(): 'line' | boolean {
    return this.jsonEnabled() && (this.#lines ? 'line' : true)
  }

  /** What is told line by line was told already. */
  protected override logJson(json: unknown): void {
    if (!this.#lines) super.logJson(json)
  }

  /** Who pressed Ctrl-C once should not do it twice. */
  protected noted(signal: AbortSignal): AbortSignal {
    signal.addEventListener('abort', () =>
      this.note('Putting back what was before; a second signal leaves it as it is.'),
    )
    return signal
  }

  /** Opens the same lattice again: a connection that waited for long may be gone. */
  protected reopen({spec}: Lattice, flags: HeldFlags): Reopen {
    return async (use) => {
      await using lattice = await Lattice.open(spec, {access: this.routeAccess(flags)})
      return await (await lattice.routes()).use(use)
    }
  }

  #tell(done: RouteChange): void {
    const change = this.report(done)
    if (!this.#lines) return
    if (this.jsonEnabled()) this.logLine(change)
    if (change.expiresAt !== undefined) {
      this.note(`The route of '${clean(change.entity)}' goes back at ${change.expiresAt}; Ctrl-C puts it back at once.`)
    }
  }
}
