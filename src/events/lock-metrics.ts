import type { Counter, Histogram, MeterProvider } from '@opentelemetry/api'
import type { RowLockEvent } from './row-lock-event.js'
import { errorAttributes, lockAttributes, SYSTEM } from './span-attributes.js'

// In seconds, as the conventions want it. Waits of up to 20 ms are not seen: they are all in the first bucket.
const WAIT_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const HOLD_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** The instruments of one meter provider. */
export class LockMetrics {
  readonly provider: MeterProvider
  readonly #wait: Histogram
  readonly #hold: Histogram
  readonly #retries: Counter

  constructor(provider: MeterProvider, scope: string) {
    this.provider = provider
    const meter = provider.getMeter(scope)
    this.#wait = meter.createHistogram('rowlock.lock.wait.duration', {
      unit: 's',
      description: 'How long a lock was waited for until it was granted or refused; 0 when no wait was seen.',
      advice: { explicitBucketBoundaries: WAIT_BUCKETS },
    })
    this.#hold = meter.createHistogram('rowlock.lock.hold.duration', {
      unit: 's',
      description: 'How long a lock was held, from its grant to the end of its transaction.',
      advice: { explicitBucketBoundaries: HOLD_BUCKETS },
    })
    this.#retries = meter.createCounter('rowlock.transaction.retries', {
      unit: '{retry}',
      description: 'How often a transaction was run again.',
    })
  }

  record(event: RowLockEvent): void {
    switch (event.type) {
      case 'lock.acquired':
        return this.#wait.record((event.waited ?? 0) / 1_000, lockAttributes(event))
      case 'lock.refused':
        // Nobody has named the lock of a write or of raw SQL.
        if (event.strength === undefined) return
        return this.#wait.record((event.waited ?? 0) / 1_000, { ...lockAttributes(event), ...errorAttributes(event.error) })
      case 'lock.released':
        return this.#hold.record(event.held / 1_000, lockAttributes(event))
      case 'transaction.retried':
        return this.#retries.add(1, { ...SYSTEM, ...errorAttributes(event.error) })
      default:
        return undefined
    }
  }
}
