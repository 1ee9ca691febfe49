import { inspect } from 'node:util'

/** A value that requests returned, and how many of them did. */
export interface CountedValue {
  readonly value: unknown
  /** The value in one line, whatever it is; the same for equal values. */
  readonly text: string
  readonly count: number
}

/** The distinct values, those that came most often first: two callers that were given the same thing stand at the top. */
export function countValues(values: readonly unknown[]): CountedValue[] {
  const counted = new Map<string, CountedValue>()
  for (const value of values) {
    const text = inspect(value, { depth: null, breakLength: Infinity, maxArrayLength: null, maxStringLength: null, sorted: true })
    counted.set(text, { value, text, count: (counted.get(text)?.count ?? 0) + 1 })
  }
  return [...counted.values()].sort((a, b) => b.count - a.count)
}
