import type {Clock} from '../clock.js'
import type {ControlClient} from '../control/client.js'
import type {HostInventory} from '../control/dialect.js'
import {TimeoutError} from '../errors.js'

const pollMs = 50

export interface WaitOptions {
  /** What is waited for, as it stands in the sentence. */
  readonly what: string
  /** The command that shows what became of it. */
  readonly check: string
  readonly reached: (inventory: HostInventory) => boolean
  readonly timeoutMs: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Asks a host for its inventory until it shows what is waited for; TimeoutError when it does not in time. */
export async function awaitInventory(
  control: ControlClient,
  host: string,
  options: WaitOptions,
): Promise<HostInventory> {
  const deadline = options.clock.now() + Math.min(options.timeoutMs, control.leftMs)
  for (;;) {
    const inventory = await control.inventory(host)
    if (options.reached(inventory)) return inventory
    if (options.clock.now() >= deadline) {
      throw new TimeoutError(`${options.what}: accepted, but not done within ${options.timeoutMs} ms.`, {
        suggestions: [options.check],
        details: {host, waitedMs: options.timeoutMs},
      })
    }
    await options.clock.sleep(pollMs, options.signal)
  }
}
