import { isRowLockError, type RowLockError } from 'rowlock'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'

type ErrorClass<E extends RowLockError> = abstract new (...args: never) => E

/** What `promise` is rejected with; fails when it is fulfilled. */
export async function rejectionOf(promise: PromiseLike<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error
  }
  throw new Error(`The promise was to be rejected, and was fulfilled with ${JSON.stringify(value)}.`)
}

/** Checks that `promise` is rejected with this very class of error, recognisable in every way, and these fields. */
export async function expectRejection<E extends RowLockError>(
  promise: PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  fields: { [K in keyof E]?: unknown } = {},
): Promise<E> {
  const error = await rejectionOf(promise)
  expect(error, String(error)).toBeInstanceOf(errorClass)
  expect(isRowLockError(error)).toBe(true)
  expect((error as E).name).toBe(errorClass.name)
  expect(error).toMatchObject(fields)
  return error as E
}

/** After every test of the file, fails the one that left a rejection without a handler. */
export function useRejectionCheck(): void {
  const unhandled: unknown[] = []
  const note = (reason: unknown) => void unhandled.push(reason)
  beforeAll(() => void process.on('unhandledRejection', note))
  afterAll(() => void process.off('unhandledRejection', note))
  afterEach(async () => {
    // Node reports a rejection when the microtasks of its turn are done.
    await new Promise(setImmediate)
    expect(unhandled.splice(0), 'rejections that nobody handled').toEqual([])
  })
}
