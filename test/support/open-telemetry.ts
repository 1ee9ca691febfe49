import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, context, type ContextManager, metrics, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricData,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

/** As the one that applications register, by Node's own storage. */
class StorageContextManager implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(active: Context, fn: F, thisArg?: ThisParameterType<F>, ...args: A) {
    return this.#storage.run(active, () => fn.call(thisArg, ...args))
  }

  bind<T>(_: Context, target: T): T {
    return target
  }

  enable(): this {
    return this
  }

  disable(): this {
    return this
  }
}

/** OpenTelemetry's own SDKs, registered for the process, with everything kept in memory. */
export class RegisteredTelemetry {
  readonly #spans = new InMemorySpanExporter()
  readonly #metrics = new InMemoryMetricExporter(AggregationTemporality.DELTA)
  readonly #meters: MeterProvider

  constructor() {
    context.setGlobalContextManager(new StorageContextManager())
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#spans)] }))
    const reader = new PeriodicExportingMetricReader({ exporter: this.#metrics, exportIntervalMillis: 3_600_000 })
    this.#meters = new MeterProvider({ readers: [reader] })
    metrics.setGlobalMeterProvider(this.#meters)
  }

  /** The spans that have ended. */
  get spans(): ReadableSpan[] {
    return this.#spans.getFinishedSpans()
  }

  named(name: string): ReadableSpan[] {
    return this.spans.filter((span) => span.name === name)
  }

  /** What was recorded since the last time. */
  async recorded(): Promise<MetricData[]> {
    this.#metrics.reset()
    await this.#meters.forceFlush()
    return this.#metrics.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
  }

  async clear(): Promise<void> {
    await this.recorded()
    this.#spans.reset()
  }

  async unregister(): Promise<void> {
    trace.disable()
    metrics.disable()
    context.disable()
    await this.#meters.shutdown()
  }
}

/** Runs `run` in a span of the application. */
export async function inSpan<R>(name: string, run: () => Promise<R>): Promise<R> {
  return trace.getTracer('application').startActiveSpan(name, async (span) => {
    try {
      return await run()
    } finally {
      span.end()
    }
  })
}
