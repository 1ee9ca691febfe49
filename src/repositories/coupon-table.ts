import type { Decimal } from '@prisma/client/runtime/client'
import { isArray, readable } from '../core/option-checks.js'
import { InvalidOptionError } from '../core/errors.js'
import { readOptions } from './input-checks.js'
import { type Amount, parseAmount } from './money.js'

/** A row of a coupon table: a credit of at least `from` earns a coupon of `value`. */
export interface CouponTier {
  readonly from: Amount
  readonly value: Amount
}

/** The table that `credit` uses unless given another one; a credit above 1000 earns the same as one from 500. */
export const DEFAULT_COUPONS: readonly CouponTier[] = [
  { from: 100, value: 5 },
  { from: 300, value: 20 },
  { from: 500, value: 50 },
]

/** A validated table, highest tier first. */
export type CouponTable = readonly { readonly from: Decimal; readonly value: Decimal }[]

/** @throws {InvalidOptionError} when `tiers` is not an array of `{ from, value }` with different `from`. */
export function parseCouponTable(tiers: unknown = DEFAULT_COUPONS): CouponTable {
  if (!isArray(tiers)) throw new InvalidOptionError('coupons', tiers, 'an array of { from, value }')
  const table = readable(tiers, 'coupons', () => Array.from(tiers, (tier, index) => parseTier(tier, `coupons[${index}]`)))
  table.sort((a, b) => b.from.comparedTo(a.from))
  const twice = table.find(({ from }, index) => table[index + 1]?.from.equals(from))
  if (twice) throw new InvalidOptionError('coupons', tiers, `a table with one row from ${twice.from.toFixed()}`)
  return table
}

/** What a credit of `amount` earns, or undefined for nothing. */
export function couponValue(amount: Decimal, table: CouponTable): Decimal | undefined {
  return table.find(({ from }) => amount.gte(from))?.value
}

function parseTier(tier: unknown, path: string): CouponTable[number] {
  tier = readOptions(tier, ['from', 'value'], path)
  const { from, value } = tier as Partial<CouponTier>
  return { from: parseAmount(from, `${path}.from`), value: parseAmount(value, `${path}.value`) }
}
