import { parseTimeout } from '../core/lock-option.js'
import { assertFunction, parseFlag, readOptions } from '../core/option-checks.js'
import type { RowLockEvent } from './row-lock-event.js'

/** Options of `rowLocks()`. */
export interface RowLocksOptions {
  /**
   * Told what happens to the locks and transactions of the client, as it happens. It is not waited for, and what it
   * throws or rejects with is a warning of the process, once: no query ever fails by it. Default: nobody.
   *
   * @example
   * ```ts
   * rowLocks({
   *   onEvent: (event) => {
   *     if (event.type === 'lock.slow') console.warn(`waiting for ${event.model}`, event.blockers)
   *   },
   * })
   * ```
   */
  readonly onEvent?: (event: RowLockEvent) => void
  /** After how many milliseconds of waiting a lock is slow, and `lock.slow` tells of it. Default: 1,000. */
  readonly slowLock?: number
  /**
   * Whether spans and metrics go to the SDK that the application has registered with `@opentelemetry/api`, if that
   * is installed. Default: true; without an SDK nothing is recorded.
   */
  readonly telemetry?: boolean
}

/** Validated {@link RowLocksOptions}. */
export interface RowLocksSettings {
  readonly onEvent: ((event: RowLockEvent) => void) | undefined
  readonly slowLock: number
  readonly telemetry: boolean
}

const DEFAULT_SLOW_LOCK = 1_000

/** @throws {InvalidOptionError} for any value outside the documented range and any unknown key. */
export function parseRowLocksOptions(options: RowLocksOptions = {}): RowLocksSettings {
  const { onEvent, slowLock, telemetry } = readOptions(options, ['onEvent', 'slowLock', 'telemetry'], 'options')
  if (onEvent !== undefined) assertFunction(onEvent, 'options.onEvent')
  return {
    onEvent,
    slowLock: slowLock === undefined ? DEFAULT_SLOW_LOCK : parseTimeout(slowLock, 'options.slowLock'),
    telemetry: telemetry === undefined || parseFlag(telemetry, 'options.telemetry'),
  }
}
