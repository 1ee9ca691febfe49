import { Decimal } from '@prisma/client/runtime/client'
import type { JsonValue } from './repository-client.js'

// How JSON carries what it has no notation for.
interface Tagged {
  readonly $decimal?: string
  readonly $bigint?: string
  readonly $date?: string
}

/** Writes a result of rows and numbers as JSON, so that {@link decodeResult} gives back the same types. */
export function encodeResult(value: unknown): JsonValue | null {
  if (Decimal.isDecimal(value)) return { $decimal: value.toFixed() }
  if (typeof value === 'bigint') return { $bigint: value.toString() }
  if (value instanceof Date) return { $date: value.toISOString() }
  if (typeof value !== 'object' || value === null) return value as JsonValue | null
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, encodeResult(field)]))
}

/** Reads what {@link encodeResult} wrote. */
export function decodeResult(json: unknown): unknown {
  if (typeof json !== 'object' || json === null) return json
  const { $decimal, $bigint, $date } = json as Tagged
  if ($decimal !== undefined) return new Decimal($decimal)
  if ($bigint !== undefined) return BigInt($bigint)
  if ($date !== undefined) return new Date($date)
  return Object.fromEntries(Object.entries(json).map(([key, field]) => [key, decodeResult(field)]))
}
