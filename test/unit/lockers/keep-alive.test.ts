import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keepAlive } from '../../../src/lockers/keep-alive.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const ofPg = (code: string) => Object.assign(new Error('refused'), { severity: 'ERROR', code })
const ofPrisma = (code: string) =>
  Object.assign(new Error('refused'), { code: 'P2010', meta: { driverAdapterError: { cause: { kind: 'postgres', code } } } })

test.each([
  ['pg', ofPg],
  ['Prisma', ofPrisma],
])('a session whose transaction is aborted, as %s says it, is asked again and not given up', async (_, refusal) => {
  const ping = vi.fn(() => Promise.reject(refusal('25P02')))
  const onGone = vi.fn()
  const stop = keepAlive(ping, onGone)
  await vi.advanceTimersByTimeAsync(20_500)
  expect(ping).toHaveBeenCalledTimes(20)
  expect(onGone).not.toHaveBeenCalled()
  stop()
})

test.each([
  ['pg', ofPg('57P01')],
  ['Prisma', ofPrisma('57P01')],
  ['the network', new Error('read ECONNRESET')],
])('any other failure, of %s, gives the session up once', async (_, failure) => {
  const ping = vi.fn(() => Promise.reject(failure))
  const onGone = vi.fn()
  keepAlive(ping, onGone)
  await vi.advanceTimersByTimeAsync(20_500)
  expect(ping).toHaveBeenCalledTimes(1)
  expect(onGone.mock.calls).toEqual([['its session is gone', failure]])
})
