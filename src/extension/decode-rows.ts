import { Decimal } from '@prisma/client/runtime/client'
import type { SqlResultSet } from '../adapter/driver-adapter.js'

type Decode = (value: never) => unknown

// The numbers of Prisma's ColumnTypeEnum; an array's is its element's plus 64.
const ARRAY = 64
const DECODERS: Readonly<Record<number, Decode>> = {
  1: (value: string) => BigInt(value),
  4: (value: string) => new Decimal(value),
  8: (value: string) => new Date(value),
  10: (value: string) => new Date(value),
  11: (value: string) => JSON.parse(value) as unknown,
}

/** The rows of a driver adapter's answer as objects, with the values of Prisma's raw queries. */
export function decodeRows({ columnNames, columnTypes, rows }: SqlResultSet): Record<string, unknown>[] {
  const decoders = columnTypes.map(decoderOf)
  return rows.map((row) => {
    const decoded: Record<string, unknown> = {}
    for (const [index, value] of row.entries()) {
      decoded[columnNames[index]!] = value === null ? null : (decoders[index]?.(value as never) ?? value)
    }
    return decoded
  })
}

function decoderOf(type: number): Decode | undefined {
  if (type < ARRAY) return DECODERS[type]
  const element = DECODERS[type - ARRAY]
  return element && ((values: unknown[]) => values.map((value) => (value === null ? null : element(value as never))))
}
