import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Locker, memoryLocker } from 'rowlock/lockers'
import { expect, test } from 'vitest'
import { lockerSuite } from '../../support/lockers/locker-suite.js'

lockerSuite({
  name: 'memoryLocker',
  setup: async () => {
    const locker = memoryLocker()
    return { locker, other: locker }
  },
})

test('two memory lockers do not know each other', async () => {
  const first = await memoryLocker().acquire('key')
  const second = await memoryLocker().acquire('key', { nowait: true })
  await first.release()
  await second.release()
})

test('a million keys leave no memory behind when their holders have left', async () => {
  const KEYS = 1_000_000
  const collect = exposedGc()
  const locker = memoryLocker()
  await locker.withLock('warm up', async () => undefined)
  collect()
  const before = process.memoryUsage().heapUsed

  const batch = 10_000
  for (let first = 0; first < KEYS; first += batch) await holdTogether(locker, first, batch)

  collect()
  // What is left is noise of the runtime: a leak of one byte a key would be a megabyte.
  expect(process.memoryUsage().heapUsed - before, 'bytes left').toBeLessThan(KEYS)
  await locker.withLock('still works', async () => undefined)
}, 120_000)

async function holdTogether(locker: Locker, first: number, count: number): Promise<void> {
  const held = await Promise.all(Array.from({ length: count }, (_, index) => locker.acquire(`key ${first + index}`)))
  await Promise.all(held.map((one) => one.release()))
}

function exposedGc(): () => void {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}
