import { systemClock, type Clock } from '../core/clock.js'
import { isRowLockError, RetryExhaustedError, type RowLockError } from '../core/errors.js'
import type { Release } from '../core/keyed-semaphore.js'
import { assertFunction } from '../core/option-checks.js'
import type { Emitter } from '../events/emitter.js'
import { recordDeadlock } from './deadlock-history.js'
import { enterGate } from './gate.js'
import { TransactionAttempt } from './transaction-attempt.js'
import { opensByPrisma, type RawQueryClient, type TransactionalClient } from './transaction-client.js'
import { parseTransactionOptions, type RetryOptions, type TransactionOptions, type TransactionSettings } from './transaction-options.js'
import { TransactionReport } from './transaction-report.js'
import { refuseNesting, withTransactionScope } from './transaction-scope.js'

/** What a transaction function is told about its run. */
export interface TransactionContext {
  /** 1 for the first run, 2 for the first retry … */
  readonly attempt: number
  /** Aborted when the transaction is to end early: its timeout, or the caller's own signal. */
  readonly signal: AbortSignal
}

/** What runs in a transaction: all of it again with each attempt. */
export type TransactionFunction<Tx, R> = (tx: Tx, context: TransactionContext) => Promise<R>

/**
 * Runs `fn` in a transaction that bounds its lock waits, and runs it again from the start when PostgreSQL
 * says that this helps. See `$transactionWithRetry`, which this is.
 */
export function runTransaction<Tx, R>(
  client: TransactionalClient,
  fn: TransactionFunction<Tx, R>,
  options?: TransactionOptions,
  clock: Clock = systemClock,
  emitter?: Emitter,
): Promise<R> {
  // Not async itself, which spares every transaction a promise.
  try {
    assertFunction(fn, 'fn')
    const settings = parseTransactionOptions(options)
    refuseNesting(client)
    const report = emitter && new TransactionReport(emitter, settings.label)
    const run = () => runAttempts(client, fn, settings, clock, report)
    return report ? report.inTransaction(run) : run()
  } catch (error) {
    return Promise.reject(error)
  }
}

async function runAttempts<Tx, R>(
  client: TransactionalClient,
  fn: TransactionFunction<Tx, R>,
  settings: TransactionSettings,
  clock: Clock,
  report: TransactionReport | undefined,
): Promise<R> {
  let started = clock.now()
  for (let attempt = 1; ; attempt++) {
    settings.signal?.throwIfAborted()
    const queued = clock.now()
    const leave = settings.gate && (await enterGate(client, settings.gate, settings.signal, report))
    // The deadline is for trying, and who queues has not begun to.
    started += clock.now() - queued
    report?.passedGate(clock.now() - queued)
    try {
      const run = () => runAttempt(client, fn, settings, attempt, leave)
      const result = await (report ? report.inAttempt(attempt, run) : run())
      report?.committed(attempt)
      return result
    } catch (error) {
      if (!isRetryable(error, settings.retry) || settings.retry.attempts === 1) throw error
      const delay = backOff(settings.retry, attempt, clock)
      const late = clock.now() - started + delay > settings.retry.deadline
      if (attempt >= settings.retry.attempts || late) throw exhausted(error, attempt)
      await settings.onRetry?.({ attempt, error, delay })
      report?.retried(attempt, error, delay)
      await clock.sleep(delay, settings.signal)
    }
  }
}

async function runAttempt<Tx, R>(
  client: TransactionalClient,
  fn: TransactionFunction<Tx, R>,
  settings: TransactionSettings,
  number: number,
  leaveGate: Release | undefined,
): Promise<R> {
  const attempt = new TransactionAttempt(settings)
  const context = { attempt: number, signal: attempt.signal }
  try {
    // It may have been aborted in the moment in which the gate let it through.
    settings.signal?.throwIfAborted()
    const openIn = (inside: <T>(run: () => T) => T) =>
      client.$transaction(
        (tx: Tx & RawQueryClient) => attempt.enter(tx, async () => inside(() => fn(tx, context))),
        attempt.prismaOptions as object,
      )
    return await withTransactionScope(client, (inside) =>
      attempt.run(() => (opensByPrisma(client) ? attempt.opening(() => openIn(inside)) : openIn(inside))),
    )
  } catch (error) {
    recordDeadlock(client, error, { label: settings.label, detail: attempt.deadlockDetail })
    throw error
  } finally {
    leaveGate?.()
  }
}

function isRetryable(error: unknown, retry: Required<RetryOptions>): error is RowLockError {
  return isRowLockError(error) && (retry.on as readonly string[]).includes(error.code)
}

/**
 * A pause of random length up to a bound that doubles ("full jitter"), so that the losers of one
 * collision do not collide again in step.
 *
 * @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
function backOff({ baseDelay, maxDelay }: Required<RetryOptions>, attempt: number, clock: Clock): number {
  // Past 2^31 every bound is the largest; without the limit 0 * 2^1024 would be NaN.
  return clock.random() * Math.min(maxDelay, baseDelay * 2 ** Math.min(attempt - 1, 31))
}

function exhausted(error: RowLockError, attempts: number): RetryExhaustedError {
  const { model, key, strength, sqlState, blockers } = error
  return new RetryExhaustedError(
    `The transaction failed ${attempts === 1 ? 'once' : `${attempts} times`}, the last time so: ${error.message}`,
    {
      attempts,
      cause: error,
      model,
      key,
      strength,
      sqlState,
      blockers,
    },
  )
}
