/**
 * Aborted by the first SIGINT, SIGTERM or SIGHUP, with the signal's name as reason; a second one ends the process at
 * once. The only place that listens for signals.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort(name)
    })
  }
  return controller.signal
}
