// The suite is a check that can fail: each of these lockers is wrong in one way, and falls by the test of it.
import { setTimeout as pause } from 'node:timers/promises'
import { type HeldLock, type Locker, memoryLocker } from 'rowlock/lockers'
import { describe, expect, test } from 'vitest'
import { LOCKER_CHECKS } from '../../support/lockers/locker-checks.js'

type Acquire = Locker['acquire']

/** A locker that takes its locks by `acquire` and is otherwise right. */
function lockerOf(acquire: Acquire): Locker {
  return {
    acquire,
    async withLock(key, run, options) {
      await using held = await acquire(key, options)
      return await run(held)
    },
  }
}

const held = (key: string, release: () => Promise<void>): HeldLock => ({
  key,
  signal: new AbortController().signal,
  release,
  [Symbol.asyncDispose]: release,
})

const inner = memoryLocker
const BROKEN: readonly { readonly mistake: string; readonly locker: () => Locker; readonly title: RegExp }[] = [
  {
    mistake: 'grants everyone',
    locker: () => lockerOf(async (key) => held(key, async () => undefined)),
    title: /one is at work at a time/,
  },
  {
    mistake: 'grants everyone',
    locker: () => lockerOf(async (key) => held(key, async () => undefined)),
    title: /gets the lock when it is released, not before/,
  },
  {
    mistake: 'knows no shared holders',
    locker: () => {
      const locker = inner()
      return lockerOf((key, options) => locker.acquire(key, { ...options, shared: false }))
    },
    title: /shared holders hold together/,
  },
  {
    mistake: 'shares with everyone',
    locker: () => {
      const locker = inner()
      return lockerOf((key, options) => locker.acquire(key, { ...options, shared: true }))
    },
    title: /an exclusive holder excludes shared ones/,
  },
  {
    mistake: 'keeps the lock after an error',
    locker: () => {
      const locker = inner()
      return {
        ...locker,
        async withLock(key, run, options) {
          const one = await locker.acquire(key, options)
          const result = await run(one)
          await one.release()
          return result
        },
      } satisfies Locker
    },
    title: /an error inside run/,
  },
  {
    mistake: 'releases by key, whoever holds it',
    locker: () => {
      const locker = inner()
      const holders = new Map<string, HeldLock>()
      return lockerOf(async (key, options) => {
        holders.set(key, await locker.acquire(key, options))
        return held(key, async () => holders.get(key)!.release())
      })
    },
    title: /a second release does nothing/,
  },
  {
    mistake: 'trims its keys',
    locker: () => {
      const locker = inner()
      return { acquire: (key, options) => locker.acquire(key.trim(), options), withLock: locker.withLock } satisfies Locker
    },
    title: /odd and long keys/,
  },
  {
    mistake: 'takes the lock before it looks at its input',
    locker: () => {
      const locker = inner()
      return lockerOf(async (key, options) => locker.acquire(key || 'none', { nowait: Boolean(options?.nowait) }))
    },
    title: /a thousand bad inputs/,
  },
  {
    mistake: 'gives up only when asked at the start',
    locker: () => {
      const locker = inner()
      return lockerOf(async (key, { signal, ...options } = {}) => {
        signal?.throwIfAborted()
        return locker.acquire(key, options)
      })
    },
    title: /an abort while holding reaches the held lock/,
  },
]

describe('the suite finds the locker that', () => {
  test.each(BROKEN)('$mistake: $title', async ({ locker, title }) => {
    const { check } = LOCKER_CHECKS.find((one) => title.test(one.title))!
    const one = locker()
    // A check that never ends has failed, too.
    await expect(Promise.race([check({ locker: one, other: one }), timedOut(1_000)])).rejects.toThrow()
  })
})

const timedOut = (milliseconds: number) => pause(milliseconds).then(() => expect.unreachable('the check hangs'))
