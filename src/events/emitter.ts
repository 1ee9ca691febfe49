import type { RowLockEvent } from './row-lock-event.js'
import type { RowLocksSettings } from './row-locks-options.js'
import { type SpanOptions, Telemetry, type TraceScope } from './telemetry.js'
import { warnOnce } from './warn-once.js'

/** Who is told what happens on one client; undefined while nobody listens. */
export type FindEmitter = () => Emitter | undefined

/** How the events of a client reach its listeners. There is none while nobody listens: that is the one thing to check. */
export function createEmitter({ onEvent, slowLock, telemetry: wanted }: RowLocksSettings): FindEmitter {
  const telemetry = wanted ? new Telemetry() : undefined
  const emitter = new Emitter(onEvent, slowLock, telemetry)
  if (onEvent) return () => emitter
  return telemetry ? () => (telemetry.isRecording ? emitter : undefined) : () => undefined
}

export class Emitter {
  /** Milliseconds after which a wait for a lock is told of. */
  readonly slowLock: number
  readonly #onEvent: ((event: RowLockEvent) => unknown) | undefined
  readonly #telemetry: Telemetry | undefined

  constructor(onEvent: ((event: RowLockEvent) => void) | undefined, slowLock: number, telemetry: Telemetry | undefined) {
    this.slowLock = slowLock
    this.#onEvent = onEvent
    this.#telemetry = telemetry
  }

  /** Tells the listeners, which are not waited for. Never throws. */
  emit(event: RowLockEvent, scope: TraceScope): void {
    this.#telemetry?.record(event, scope)
    const onEvent = this.#onEvent
    if (!onEvent) return
    try {
      const returned = onEvent(event)
      if (typeof returned !== 'object' || returned === null) return
      Promise.resolve(returned).catch((error: unknown) => warnOfListener(onEvent, error))
    } catch (error) {
      warnOfListener(onEvent, error)
    }
  }

  /** The trace of whoever calls this: Prisma answers the queries of a tick in the async context of the first one. */
  currentScope(): TraceScope {
    return this.#telemetry?.currentScope()
  }

  /** Runs `run` in a span, where spans are wanted; it is given the scope to emit its events in. */
  inSpan<R>(options: SpanOptions, parent: TraceScope, run: (scope: TraceScope) => Promise<R>): Promise<R> {
    return this.#telemetry ? this.#telemetry.inSpan(options, parent, run) : run(undefined)
  }
}

function warnOfListener(onEvent: object, error: unknown): void {
  warnOnce(onEvent, 'The `onEvent` of rowLocks() failed; further failures of it are not reported.', error)
}
