import { propertyOf, readable } from '../core/option-checks.js'
import { AssertionError } from 'node:assert'
import { inspect } from 'node:util'
import { lastLineOf } from '../report/plain-text.js'
import { requireInteger, requireObject } from './race-options.js'
import type { RaceErrorSample, RaceResult } from './race-result.js'

/**
 * Guarantees that exactly one request of a race succeeded and that the fate of every other is known.
 *
 * @throws {AssertionError} (`node:assert`) otherwise, with a table of what happened.
 * @throws {InvalidOptionError} when `result` is not the result of a race.
 *
 * @example
 * ```ts
 * import { expectExactlyOne, race } from 'rowlock/testing'
 *
 * let free = true
 * const result = await race({
 *   requests: 50,
 *   run: () => {
 *     if (!free) throw new RangeError('taken')
 *     free = false
 *   },
 * })
 * expectExactlyOne(result)
 * ```
 */
export function expectExactlyOne(result: RaceResult): void {
  assertExactly(result, 1, expectExactlyOne)
}

/**
 * Guarantees that exactly `expected` requests of a race succeeded and that the fate of every other is
 * known: an unsettled request may have taken effect, so a result with one never passes.
 *
 * @param expected - How many must have succeeded. 0 or more.
 * @throws {AssertionError} (`node:assert`) otherwise, with a table of what happened.
 * @throws {InvalidOptionError} when `result` is not the result of a race or `expected` not a count.
 *
 * @example
 * ```ts
 * import { expectExactly, race } from 'rowlock/testing'
 *
 * expectExactly(await race({ requests: 3, run: ({ index }) => index }), 3)
 * ```
 */
export function expectExactly(result: RaceResult, expected: number): void {
  assertExactly(result, expected, expectExactly)
}

function assertExactly(result: RaceResult, expected: number, caller: (...args: never[]) => void): void {
  requireResult(result)
  requireInteger('expected', expected, 0, Number.MAX_SAFE_INTEGER)
  const { message, fulfilled } = readable(result, 'result', () => judge(result, expected))
  if (message === undefined) return
  throw new AssertionError({
    message,
    actual: fulfilled,
    expected,
    operator: caller.name,
    stackStartFn: caller,
  })
}

function judge(result: RaceResult, expected: number): { readonly message: string | undefined; readonly fulfilled: number } {
  const { fulfilled, unsettled, notStarted } = result
  const right = fulfilled === expected && unsettled === 0 && notStarted === 0
  return { message: right ? undefined : describeRace(result, expected), fulfilled }
}

function requireResult(result: RaceResult): void {
  const given: unknown = result
  requireObject('result', given)
  for (const count of ['requests', 'fulfilled', 'rejected', 'unsettled', 'notStarted']) {
    requireInteger(`result.${count}`, propertyOf(given, count), 0, Number.MAX_SAFE_INTEGER)
  }
  requireObject('result.errors', propertyOf(given, 'errors'))
  requireObject('result.errorSamples', propertyOf(given, 'errorSamples'))
}

function describeRace(result: RaceResult, expected: number): string {
  const { requests, concurrency, fulfilled, errors } = result
  const rows: [what: string, count: number, example: string][] = [
    ['succeeded', fulfilled, describeValues(result)],
    ...Object.entries(errors).map(([key, count]): [string, number, string] => {
      return [key, count, describeSample(result.errorSamples[key])]
    }),
    ['unsettled', result.unsettled, ''],
    ['not started', result.notStarted, ''],
  ]
  const shown = rows.filter(([what, count]) => count > 0 || what === 'succeeded')
  const width = Math.max(...shown.map(([what]) => what.length))
  const lines = shown.map(([what, count, example]) => `  ${what.padEnd(width)}  ${String(count).padStart(7)}  ${example}`.trimEnd())
  return [`Expected exactly ${expected} of ${requests} requests to succeed, ${concurrency} at a time; ${fulfilled} did.`, ...lines].join(
    '\n',
  )
}

function describeValues({ values }: RaceResult): string {
  if (values.length === 0) return ''
  const shown = values.slice(0, 3).map((value) => inspect(value, { depth: 1, breakLength: Infinity }))
  return `with ${shown.join(', ')}${values.length > 3 ? ', …' : ''}`
}

function describeSample(sample: RaceErrorSample | undefined): string {
  if (sample === undefined) return ''
  return `first in request ${sample.index}: ${sample.name}: ${lastLineOf(sample.message)}`
}
