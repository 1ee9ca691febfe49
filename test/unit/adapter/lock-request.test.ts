import { expect, test } from 'vitest'
import { closeLockRequest, findLockRequest, isMarker, openLockRequest } from '../../../src/adapter/lock-request.js'

const lock = { strength: 'forUpdate', wait: { kind: 'wait' } } as const
const select = (skip: unknown) => ({ sql: 'SELECT "t"."id" FROM "t" WHERE "t"."id" = $1 LIMIT $2 OFFSET $3', args: [1, 1, skip] })

test('a marker stands for its own request while that is under way', () => {
  const opened = [0, 7, 9].map((skip) => openLockRequest(lock, skip))
  expect(new Set(opened.map(({ marker }) => marker)).size).toBe(3)
  for (const { marker, request } of opened) {
    expect(isMarker(marker)).toBe(true)
    expect(findLockRequest(select(marker))).toBe(request)
    closeLockRequest(marker)
    expect(findLockRequest(select(marker))).toBeUndefined()
  }
})

test('a number that is no OFFSET stands for no request, whatever it is', () => {
  const { marker } = openLockRequest(lock, 0)
  for (const amount of [marker, String(marker), `${marker}.00`]) {
    expect(findLockRequest({ sql: 'UPDATE "t" SET "a" = "a" - $1 WHERE "a" >= $2', args: [amount, amount] })).toBeUndefined()
  }
  closeLockRequest(marker)
})

test('as many markers are used as requests are under way at once, so that Prisma compiles as many plans', () => {
  const markers = new Set<number>()
  for (let round = 0; round < 100; round++) {
    const opened = [openLockRequest(lock, 0), openLockRequest(lock, 0)]
    for (const { marker } of opened) markers.add(marker)
    for (const { marker } of opened) closeLockRequest(marker)
  }
  expect(markers.size).toBe(2)
})

test('a marker that is closed twice is given to one request only', () => {
  const { marker } = openLockRequest(lock, 0)
  closeLockRequest(marker)
  closeLockRequest(marker)
  const opened = [openLockRequest(lock, 0), openLockRequest(lock, 0)]
  expect(opened[0]!.marker).not.toBe(opened[1]!.marker)
  for (const one of opened) closeLockRequest(one.marker)
})
