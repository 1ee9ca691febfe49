import fc from 'fast-check'
import { type Gate, InvalidOptionError, type RowGate } from 'rowlock'
import { describe, expect, test } from 'vitest'
import { Decimal } from '../../../src/generated/prisma/internal/prismaNamespace.js'
import { enterGate, gatesOf, parseGate, toGate } from '../../../src/transaction/gate.js'

const enter = (client: object, gate: Gate) => enterGate(client, parseGate(gate), undefined)
const settled = () => new Promise(setImmediate)

/** How many of the callers, which come in this order, are let through before anyone leaves. */
async function countInside(gates: readonly Gate[]): Promise<number> {
  const client = {}
  let inside = 0
  for (const gate of gates) void enter(client, gate).then(() => inside++)
  await settled()
  return inside
}

describe('a gate lets through', () => {
  test('two callers by default', async () => {
    expect(await countInside(Array<Gate>(5).fill('key'))).toBe(2)
  })

  test('as many as its width, whatever that is', async () => {
    const width = fc.integer({ min: 1, max: 1_000 })
    const property = fc.asyncProperty(width, async (given) => {
      expect(await countInside(Array<Gate>(given + 1).fill({ key: 'key', width: given }))).toBe(given)
    })
    await fc.assert(property, { numRuns: 100, seed: 20_261_121 })
  })

  test.each([
    [[1, 2], 1],
    [[2, 1], 1],
    [[2, 4, 4, 4], 3],
    [[4, 2, 2], 2],
    [[3, 3, 3, 1_000], 3],
  ])('the shares of callers of widths %j until it is full: %d', async (widths, expected) => {
    expect(await countInside(widths.map((width) => ({ key: 'key', width })))).toBe(expected)
  })

  test('callers of other keys and of other clients', async () => {
    const [client, other] = [{}, {}]
    const gate = { key: 'key', width: 1 }
    const leave = [await enter(client, gate), await enter(client, { key: 'other', width: 1 }), await enter(other, gate)]
    expect([gatesOf(client).size, gatesOf(other).size]).toEqual([2, 1])
    for (const one of leave) one()
    expect([gatesOf(client).size, gatesOf(other).size]).toEqual([0, 0])
  })
})

describe('the key of a gate', () => {
  const keyOf = (gate: Gate) => parseGate(gate)?.key

  test('is the same for equal values, alone or with a width', () => {
    expect(keyOf(1)).toBe(keyOf(1n))
    expect(keyOf(['event', 7])).toBe(keyOf({ key: ['event', 7n], width: 5 }))
  })

  test('is another one for any other value', () => {
    const keys: Gate[] = ['1', 1, ['1'], [1], ['1', ''], ['', '1'], ['a', 'b'], ['ab'], '', [''], 's1:1']
    expect(new Set(keys.map(keyOf)).size).toBe(keys.length)
  })

  test('is none without a gate', () => {
    expect(parseGate(undefined)).toBeUndefined()
  })
})

describe('the gate of a row', () => {
  const keyOf = (where: unknown, gate: RowGate = true) => parseGate(toGate(gate, 'Wallet', where))!.key

  test.each<[string, unknown, unknown]>([
    ['in another order', { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }],
    ['as a number and as a bigint', { id: 1 }, { id: 1n }],
    ['as a date and as its text', { day: new Date(0) }, { day: '1970-01-01T00:00:00.000Z' }],
    ['as two decimals', { balance: new Decimal(1) }, { balance: new Decimal('1.0') }],
    ['with what is left out', { id: 1 }, { id: 1, AND: undefined }],
  ])('is the same for a where that says the same %s', (_, one, other) => {
    expect(keyOf(one)).toBe(keyOf(other))
  })

  test('is another one for any other where', () => {
    const all = [
      { id: 1 },
      { id: '1' },
      { id: 2 },
      { userId: 1 },
      { id: [1] },
      { id: { in: [1, 2] } },
      { id: { in: [2, 1] } },
      { id: null },
    ]
    expect(new Set(all.map((where) => keyOf(where))).size).toBe(all.length)
  })

  test('is another one for another model', () => {
    expect(toGate(true, 'Wallet', { id: 1 })).not.toEqual(toGate(true, 'Event', { id: 1 }))
  })

  test('may have a width, and a key of its own, which is then not that of the where', () => {
    expect(keyOf({ id: 1 }, { width: 5 })).toBe(keyOf({ id: 1 }))
    expect(parseGate(toGate({ width: 1 }, 'Wallet', { id: 1 }))!.share).toBe(Number.MAX_SAFE_INTEGER)
    expect(keyOf({ id: 1 }, 'hot')).toBe(keyOf({ userId: 1 }, { key: 'hot' }))
  })

  test('cannot be had of a where without an end, unless it has a key', () => {
    const where: Record<string, unknown> = { id: 1 }
    where['NOT'] = where
    expect(() => toGate(true, 'Wallet', where)).toThrow(InvalidOptionError)
    expect(toGate('hot', 'Wallet', where)).toBe('hot')
  })
})
