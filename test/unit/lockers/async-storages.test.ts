import asyncHooks, { AsyncLocalStorage } from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'
import { memoryLocker } from 'rowlock/lockers'
import { afterEach, beforeEach, expect, test } from 'vitest'

// Node calls each storage that has ever been used for every promise of the process, and never forgets one.
let made = 0
const original = AsyncLocalStorage

class CountedStorage<T> extends original<T> {
  constructor() {
    super()
    made++
  }
}

beforeEach(() => {
  made = 0
  replaceWith(CountedStorage)
})

afterEach(() => replaceWith(original))

function replaceWith(storage: typeof original): void {
  asyncHooks.AsyncLocalStorage = storage
  syncBuiltinESMExports()
}

test('a locker for each call leaves no storage behind', async () => {
  for (let index = 0; index < 3; index++) {
    const locker = memoryLocker()
    await locker.withLock('a', () => memoryLocker().withLock('a', async () => undefined))
  }
  expect(made).toBe(0)
})

test('a storage that is made is counted', () => {
  new asyncHooks.AsyncLocalStorage()
  expect(made).toBe(1)
})
