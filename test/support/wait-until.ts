/** How long to wait for a condition. */
export interface WaitOptions {
  /** In milliseconds. A condition that a test waits for is normally true after a few. @default 10000 */
  readonly timeout?: number
}

/**
 * Asks again and again until `ask` gives an answer other than `undefined`, and returns that. Every
 * question must take its time in PostgreSQL: this does not pause in between.
 */
export async function waitUntil<T>(
  condition: string,
  ask: () => Promise<T | undefined>,
  { timeout = 10_000 }: WaitOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeout
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (performance.now() > deadline) throw new Error(`Waited ${timeout} ms in vain until ${condition}.`)
  }
}
