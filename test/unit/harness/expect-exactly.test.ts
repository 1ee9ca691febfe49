import { AssertionError } from 'node:assert'
import { expect, test } from 'vitest'
import { expectExactly, expectExactlyOne } from '../../../src/harness/expect-exactly.js'
import type { RaceDeadlineError } from '../../../src/harness/race-errors.js'
import type { RaceResult } from '../../../src/harness/race-result.js'
import { race } from '../../../src/harness/race.js'

class SoldOut extends Error {
  readonly code = 'SOLD_OUT'
}

/** A race for `seats` seats in which the check and the write are one step, or, broken, two. */
async function raceForSeats(seats: number, broken: boolean): Promise<RaceResult<number>> {
  let left = seats
  return race({
    requests: 10,
    run: async ({ index }) => {
      const seen = left
      if (seen <= 0) throw new SoldOut('Invalid call in\n  file.ts:1\n\nNo seat is left.')
      if (broken) await Promise.resolve()
      left = seen - 1
      return index
    },
  })
}

const catchError = (work: () => void): unknown => {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}

test('expectExactlyOne accepts a race that one request won', async () => {
  expectExactlyOne(await raceForSeats(1, false))
})

test('expectExactlyOne fails when a second request succeeds, and shows what happened', async () => {
  const result = await raceForSeats(2, false)
  const failure = catchError(() => expectExactlyOne(result))
  expect(failure).toBeInstanceOf(AssertionError)
  expect(failure).toMatchObject({ actual: 2, expected: 1, operator: 'expectExactlyOne' })
  expect((failure as Error).message).toBe(
    [
      'Expected exactly 1 of 10 requests to succeed, 10 at a time; 2 did.',
      '  succeeded        2  with 0, 1',
      '  SOLD_OUT         8  first in request 2: SoldOut: No seat is left.',
    ].join('\n'),
  )
})

test('expectExactlyOne fails when no request succeeds', async () => {
  const result = await raceForSeats(0, false)
  expect(() => expectExactlyOne(result)).toThrow(/exactly 1 of 10 requests to succeed, 10 at a time; 0 did/)
})

test('expectExactlyOne fails on the lost update of the broken twin', async () => {
  const result = await raceForSeats(1, true)
  expect(() => expectExactlyOne(result)).toThrow('10 did')
})

test('expectExactlyOne fails on a winner while the fate of another request is unknown', async () => {
  const run = ({ index }: { index: number }): unknown => (index === 0 ? 'won' : new Promise(() => undefined))
  const failure: unknown = await race({ requests: 4, concurrency: 2, deadline: 5, run }).catch((error: unknown) => error)
  const { result } = failure as RaceDeadlineError
  expect(result.fulfilled).toBe(1)
  expect(() => expectExactlyOne(result)).toThrow(/unsettled +2\n/)
  expect(() => expectExactlyOne(result)).toThrow(/not started +1$/)
})

test('expectExactly accepts the number that succeeded and no other', async () => {
  const result = await raceForSeats(4, false)
  expectExactly(result, 4)
  expect(() => expectExactly(result, 3)).toThrow(AssertionError)
  expect(() => expectExactly(result, 5)).toThrow(AssertionError)
})
