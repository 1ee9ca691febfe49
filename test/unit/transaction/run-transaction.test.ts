import { DeadlockError, type RetryOptions, RetryExhaustedError, type TransactionOptions } from 'rowlock'
import { describe, expect, test } from 'vitest'
import { TransactionState, offerTransactionState } from '../../../src/adapter/transaction-state.js'
import type { Clock } from '../../../src/core/clock.js'
import { enterGate, gatesOf, parseGate } from '../../../src/transaction/gate.js'
import { runTransaction } from '../../../src/transaction/run-transaction.js'
import { parseTransactionOptions } from '../../../src/transaction/transaction-options.js'
import { expectRejection, rejectionOf } from '../../support/rejections.js'

/** Time passes only in pauses, which it records, and in fn, when told. */
function createClock(random: () => number = () => 0.5) {
  const pauses: number[] = []
  let now = 0
  const clock: Clock = {
    now: () => now,
    random,
    sleep: async (milliseconds, signal) => {
      signal?.throwIfAborted()
      pauses.push(milliseconds)
      now += milliseconds
      await Promise.resolve()
    },
  }
  return { clock, pauses, pass: (milliseconds: number) => (now += milliseconds) }
}

/** A client of one connection that answers every statement at once. */
const client = {
  async $transaction<R>(run: (tx: never) => Promise<R>): Promise<R> {
    const state = new TransactionState()
    const tx = {
      async $queryRawUnsafe(sql: string) {
        offerTransactionState(sql, state)
        return Promise.resolve([{ pid: 1 }])
      },
    }
    return run(tx as never)
  },
}

const deadlock = () => new DeadlockError('deadlock')
const failing =
  (times: number) =>
  (_: unknown, { attempt }: { attempt: number }) =>
    attempt <= times ? Promise.reject(deadlock()) : Promise.resolve(attempt)

const run = (fails: number, retry: RetryOptions | false, clock: Clock, more: TransactionOptions = {}) =>
  runTransaction(client, failing(fails), { retry, ...more }, clock)

describe('the pause before the next attempt', () => {
  test('has a bound that doubles up to maxDelay', async () => {
    const { clock, pauses } = createClock(() => 0.999_999)
    await run(6, { attempts: 7, baseDelay: 10, maxDelay: 100 }, clock)
    expect(pauses.map(Math.round)).toEqual([10, 20, 40, 80, 100, 100])
  })

  test('may be as short as nothing', async () => {
    const { clock, pauses } = createClock(() => 0)
    await run(3, { baseDelay: 10 }, clock)
    expect(pauses).toEqual([0, 0, 0])
  })

  test('is spread evenly between nothing and the bound', async () => {
    const { clock, pauses } = createClock(Math.random)
    await run(2_000, { attempts: 3_000, baseDelay: 100, maxDelay: 100, deadline: 1e9 }, clock)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...pauses)).toBeLessThan(100)
    const mean = pauses.reduce((sum, pause) => sum + pause) / pauses.length
    expect(mean).toBeGreaterThan(40)
    expect(mean).toBeLessThan(60)
  })

  test('stays a number after more than 1,024 attempts without a delay', async () => {
    const { clock, pauses } = createClock()
    await run(1_200, { attempts: 1_300, baseDelay: 0 }, clock)
    expect(new Set(pauses)).toEqual(new Set([0]))
  })
})

describe('the retries end', () => {
  test('after the given attempts', async () => {
    const { clock, pauses } = createClock()
    const error = await expectRejection(run(9, { attempts: 3 }, clock), RetryExhaustedError, { attempts: 3 })
    expect(error.cause).toBeInstanceOf(DeadlockError)
    expect(error.message).toContain('3 times')
    expect(pauses).toHaveLength(2)
  })

  test('when the next attempt would start after the deadline', async () => {
    const { clock, pauses } = createClock(() => 0.5)
    // Pauses of 50: the third would end at 150.
    await expectRejection(run(9, { attempts: 9, baseDelay: 100, maxDelay: 100, deadline: 149 }, clock), RetryExhaustedError, {
      attempts: 3,
    })
    expect(pauses).toEqual([50, 50])
  })

  test('at the deadline also by the time that fn took', async () => {
    const { clock, pass } = createClock()
    const slow = () => {
      pass(1_000)
      return Promise.reject(deadlock())
    }
    const error = await expectRejection(runTransaction(client, slow, { retry: { deadline: 999 } }, clock), RetryExhaustedError, {
      attempts: 1,
    })
    expect(error.message).toContain('once')
  })

  test('at the deadline, for which the waits at a gate do not count', async () => {
    const { clock, pauses, pass } = createClock(() => 0.5)
    const leave = await enterGate(client, parseGate({ key: 'key', width: 1 }), undefined)
    const queued = expectRejection(
      run(9, { attempts: 9, baseDelay: 100, maxDelay: 100, deadline: 149 }, clock, { gate: 'key' }),
      RetryExhaustedError,
      { attempts: 3 },
    )
    pass(1_000)
    leave()
    await queued
    expect(pauses).toEqual([50, 50])
  })

  test('at once with retry: false or one attempt, with the error itself', async () => {
    const { clock, pauses } = createClock()
    expect(await rejectionOf(run(1, false, clock))).toBeInstanceOf(DeadlockError)
    expect(await rejectionOf(run(1, { attempts: 1 }, clock))).toBeInstanceOf(DeadlockError)
    expect(pauses).toEqual([])
  })

  test('at once with an error that retry.on does not name', async () => {
    const { clock } = createClock()
    expect(await rejectionOf(run(1, { on: ['LOCK_TIMEOUT'] }, clock))).toBeInstanceOf(DeadlockError)
    expect(await rejectionOf(run(1, { on: [] }, clock))).toBeInstanceOf(DeadlockError)
  })

  test('when the signal is aborted during a pause, also of a clock that does not look', async () => {
    const controller = new AbortController()
    const { clock } = createClock()
    const deaf: Clock = { ...clock, sleep: async () => Promise.resolve(controller.abort('enough')) }
    expect(await rejectionOf(run(9, {}, deaf, { signal: controller.signal }))).toBe('enough')
  })
})

describe('fn', () => {
  test('is told its attempt, and onRetry the error and the pause', async () => {
    const { clock } = createClock(() => 0.5)
    const events: unknown[] = []
    await expect(run(2, { baseDelay: 10 }, clock, { onRetry: (event) => void events.push(event) })).resolves.toBe(3)
    expect(events).toEqual([
      { attempt: 1, delay: 5, error: expect.any(DeadlockError) as unknown },
      { attempt: 2, delay: 10, error: expect.any(DeadlockError) as unknown },
    ])
  })

  test('gets a signal of its own in each attempt, which nobody has aborted', async () => {
    const { clock } = createClock()
    const signals: AbortSignal[] = []
    await runTransaction(
      client,
      (_, { attempt, signal }) => {
        signals.push(signal)
        return failing(1)(_, { attempt })
      },
      {},
      clock,
    )
    expect(new Set(signals).size).toBe(2)
    expect(signals.some(({ aborted }) => aborted)).toBe(false)
  })

  test('does not run when the signal is aborted in the moment in which the gate opens', async () => {
    const controller = new AbortController()
    const leave = await enterGate(client, parseGate({ key: 'key', width: 1 }), undefined)
    const aborted = rejectionOf(runTransaction(client, () => Promise.reject(new Error('ran')), { gate: 'key', signal: controller.signal }))
    leave()
    controller.abort('gone')
    expect(await aborted).toBe('gone')
    expect(gatesOf(client).size).toBe(0)
  })

  test('may throw before its first await', async () => {
    const failure = new Error('at once')
    const throws = () => {
      throw failure
    }
    expect(await rejectionOf(runTransaction(client, throws))).toBe(failure)
  })
})

describe('options', () => {
  test('default to what their comments say', () => {
    expect(parseTransactionOptions()).toMatchObject({
      maxWait: 2_000,
      timeout: 5_000,
      lockTimeout: 4_750,
      isolationLevel: undefined,
      retry: {
        attempts: 5,
        deadline: 30_000,
        baseDelay: 20,
        maxDelay: 1_000,
        on: ['DEADLOCK', 'SERIALIZATION_FAILURE', 'CONNECTION_LOST'],
      },
    })
  })

  test.each([
    [1, 1],
    [10, 9],
    [1_000, 950],
    [2_147_483_647, 2_040_109_464],
  ])('keep the lock wait inside a timeout of %d ms', (timeout, lockTimeout) => {
    expect(parseTransactionOptions({ timeout }).lockTimeout).toBe(lockTimeout)
    expect(parseTransactionOptions({ timeout, lockTimeout: 2_147_483_647 }).lockTimeout).toBe(lockTimeout)
  })
})
