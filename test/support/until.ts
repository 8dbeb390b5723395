/** Polls until the condition holds; rejects after `withinMs` milliseconds. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  withinMs: number,
  watch: () => void = () => undefined,
): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await condition())) {
    watch()
    if (Date.now() > deadline) throw new Error(`The condition did not hold within ${withinMs} ms.`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
