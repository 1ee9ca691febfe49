import { Decimal } from '@prisma/client/runtime/client'
import { InvalidOptionError } from '../core/errors.js'

/**
 * An amount of money: a Decimal, a string such as `'12.50'`, or a whole number. A fractional number is
 * refused, as 0.1 + 0.2 is not 0.3.
 */
export type Amount = Decimal | string | number

/** The largest value of a `Decimal(18,2)` column. */
export const MAX_AMOUNT = new Decimal('9999999999999999.99')

const ALLOWED = `an amount above 0, at most ${MAX_AMOUNT.toFixed()}: a Decimal or string with at most two decimals, or a whole number`
const TEXT = /^\d{1,16}(\.\d{1,2})?$/

/** @throws {InvalidOptionError} when `value` is not an amount as {@link Amount} says, above zero. */
export function parseAmount(value: unknown, name: string): Decimal {
  const text = toText(value)
  const amount = text !== undefined && TEXT.test(text) ? new Decimal(text) : undefined
  if (!amount?.gt(0)) throw new InvalidOptionError(name, value, ALLOWED)
  return amount
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (Number.isSafeInteger(value)) return String(value)
  return decimalText(value)
}

/** Through text, as it may be of another copy of decimal.js, or something that only says to be a Decimal. */
function decimalText(value: unknown): string | undefined {
  try {
    return Decimal.isDecimal(value) ? value.toFixed() : undefined
  } catch {
    return undefined
  }
}
