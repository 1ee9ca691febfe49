import { constants } from 'node:os'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Turns the first Ctrl-C (or `kill`, or a closed terminal) into an abort, so that a command can clean up. */
export interface Interruption extends Disposable {
  readonly signal: AbortSignal
  /** 128 and the signal's number, once there was one. */
  exitCode(): number | undefined
}

/**
 * Listens to the signals that end a program until it is disposed. The second one ends the process at
 * once: databases and worker processes then clean up after themselves.
 *
 * @param onForced - called just before that.
 */
export function listenForInterruption(onForced: () => void = () => undefined): Interruption {
  const controller = new AbortController()
  let exitCode: number | undefined
  const onSignal = (name: NodeJS.Signals): void => {
    if (exitCode !== undefined) {
      onForced()
      process.exit(exitCode)
    }
    exitCode = 128 + constants.signals[name]
    controller.abort(new Error(`Interrupted by ${name}.`))
  }
  for (const name of SIGNALS) process.on(name, onSignal)
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, onSignal)
    },
  }
}
