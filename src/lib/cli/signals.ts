const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface InterruptOptions {
  /** False for a signal that is not for us at the moment. */
  readonly heeds?: (name: (typeof names)[number]) => boolean
}

/**
 * Aborted by the first SIGINT, SIGTERM or SIGHUP, with the signal's name as reason; a second one ends the process at
 * once. The only place that listens for signals.
 */
export function interruptSignal({heeds = () => true}: InterruptOptions = {}): AbortSignal {
  const controller = new AbortController()
  for (const name of names) {
    process.on(name, () => {
      if (!heeds(name)) return
      if (controller.signal.aborted) process.exit(130)
      controller.abort(name)
    })
  }
  return controller.signal
}
