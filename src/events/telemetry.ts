import type { Context, Span, TracerProvider } from '@opentelemetry/api'
import type { LockWaitedEvent, RowLockEvent } from './row-lock-event.js'
import { loadOpenTelemetry, type OpenTelemetry } from './load-open-telemetry.js'
import { LockMetrics } from './lock-metrics.js'
import {
  type Attributes,
  blockerAttributes,
  definedOnly,
  errorAttributes,
  lockAttributes,
  spanEventAttributes,
  SYSTEM,
} from './span-attributes.js'
import { warnOnce } from './warn-once.js'

/** The place in a trace that an event belongs to: a context of OpenTelemetry, whose types are not there for everyone. */
export type TraceScope = unknown

export interface SpanOptions {
  readonly name: string
  readonly attributes: Attributes
}

// By which the application's SDK tells who records.
const NAME = 'rowlock'

/** A proxy before an SDK is registered has a delegate that does nothing, always the same. */
interface ProxyProvider {
  getDelegate?(): TracerProvider
}

/** Makes spans and metrics of what happens, for the SDK that the application has registered, if it has. */
export class Telemetry {
  #api: OpenTelemetry | undefined
  #noTracing: TracerProvider | undefined
  #noMeter: unknown
  #metrics: LockMetrics | undefined

  constructor() {
    loadOpenTelemetry().then(
      (api) => this.#use(api),
      (error: unknown) => warnOnce(loadOpenTelemetry, '@opentelemetry/api is installed and could not be loaded.', error),
    )
  }

  #use(api: OpenTelemetry | undefined): void {
    if (!api) return
    // Gone in the next major version, and then there is an SDK as far as anyone can tell.
    const { ProxyTracerProvider } = api as { ProxyTracerProvider?: new () => Required<ProxyProvider> }
    this.#noTracing = ProxyTracerProvider && new ProxyTracerProvider().getDelegate()
    this.#noMeter = api.createNoopMeter()
    this.#api = api
  }

  /** Whether an SDK is registered, which may happen at any time. */
  get isRecording(): boolean {
    return this.#api !== undefined && (this.#isTracing(this.#api) || this.#isMetering(this.#api))
  }

  #isTracing({ trace }: OpenTelemetry): boolean {
    const provider = trace.getTracerProvider() as ProxyProvider
    return (provider.getDelegate?.() ?? provider) !== this.#noTracing
  }

  #isMetering({ metrics }: OpenTelemetry): boolean {
    return metrics.getMeterProvider().getMeter(NAME) !== this.#noMeter
  }

  currentScope(): TraceScope {
    return this.#api?.context.active()
  }

  /**
   * Runs `run` in a span, which is the parent of the spans made in it. The kind is INTERNAL, as what is sent to the
   * server has spans of its own, by the instrumentation of Prisma or of the driver.
   */
  inSpan<R>({ name, attributes }: SpanOptions, parent: TraceScope, run: (scope: TraceScope) => Promise<R>): Promise<R> {
    const api = this.#api
    if (!api || !this.#isTracing(api)) return run(parent)
    const outer = (parent as Context | undefined) ?? api.context.active()
    const options = { kind: api.SpanKind.INTERNAL, attributes: definedOnly({ ...SYSTEM, ...attributes }) }
    const span = api.trace.getTracer(NAME).startSpan(name, options, outer)
    const scope = api.trace.setSpan(outer, span)
    return api.context.with(scope, () => endingSpan(api, span, run(scope)))
  }

  record(event: RowLockEvent, scope: TraceScope): void {
    const api = this.#api
    if (!api) return
    if (this.#isMetering(api)) this.#metricsOf(api).record(event)
    if (this.#isTracing(api)) this.#trace(api, event, (scope as Context | undefined) ?? api.context.active())
  }

  /** Instruments are bound to the provider that was registered when they were made. */
  #metricsOf({ metrics }: OpenTelemetry): LockMetrics {
    const provider = metrics.getMeterProvider()
    if (this.#metrics?.provider !== provider) this.#metrics = new LockMetrics(provider, NAME)
    return this.#metrics
  }

  #trace(api: OpenTelemetry, event: RowLockEvent, scope: Context): void {
    if (event.type === 'lock.waited') return traceWait(api, event, scope)
    const span = api.trace.getSpan(scope)
    if (event.type === 'transaction.committed') span?.setAttribute('rowlock.transaction.attempts', event.attempts)
    const attributes = spanEventAttributes(event)
    if (attributes) span?.addEvent(`rowlock.${event.type}`, attributes)
  }
}

/** Only when it is over is it known to have been a wait. */
function traceWait(api: OpenTelemetry, event: LockWaitedEvent, scope: Context): void {
  const { at, waited, table, blockers, error } = event
  const end = at.getTime()
  const attributes = { ...lockAttributes(event), ...blockerAttributes(blockers), ...(error && errorAttributes(error)) }
  const options = { kind: api.SpanKind.INTERNAL, startTime: end - waited, attributes }
  const span = api.trace.getTracer(NAME).startSpan(table === undefined ? 'lock wait' : `lock wait ${table}`, options, scope)
  if (error) span.setStatus({ code: api.SpanStatusCode.ERROR })
  span.end(end)
}

async function endingSpan<R>(api: OpenTelemetry, span: Span, work: Promise<R>): Promise<R> {
  try {
    return await work
  } catch (error) {
    span.setAttributes(errorAttributes(error))
    span.setStatus({ code: api.SpanStatusCode.ERROR })
    throw error
  } finally {
    span.end()
  }
}
