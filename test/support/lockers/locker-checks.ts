import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import fc from 'fast-check'
import { InvalidOptionError, LockNotAvailableError, LockTimeoutError, ReentrantLockError } from 'rowlock'
import type { HeldLock, Locker, LockerOptions } from 'rowlock/lockers'
import { expect } from 'vitest'

/** Two lockers on the same locks, as two processes have them; of a locker for one process, twice the same. */
export interface LockerPair {
  readonly locker: Locker
  readonly other: Locker
  /** Keys that ask much of the store; each must be another lock. Default: {@link ODD_KEYS}. */
  readonly oddKeys?: readonly string[]
  /** Makes what the keys name, where a key must name something. */
  readonly prepare?: (keys: readonly string[]) => Promise<unknown>
}

/** Something that every locker must do. */
export interface LockerCheck {
  readonly title: string
  readonly check: (pair: LockerPair) => Promise<void>
}

const TASKS = 100
const HELD_LONG_ENOUGH = 1_000

const bytes = randomBytes(5_000).toString('hex')

/** What users, attackers and mistakes use as keys. */
export const ODD_KEYS: readonly string[] = [
  ' ',
  'a',
  'A',
  'a ',
  'user:1',
  'user/1',
  '{user}:1',
  `'; DROP TABLE "Lease"; --`,
  '"quoted"',
  '\\',
  '%s $1 ?',
  '\n',
  'ü',
  'u\u0308',
  '🔒',
  '__proto__',
  'constructor',
  '\0',
  'a\0b',
  'a\0c',
  '\ud800',
  '\ud801',
  '\ufffd',
  bytes,
  `${bytes.slice(0, -1)}x`,
  `x${bytes.slice(1)}`,
]

/** The suite: every locker passes each of these. */
export const LOCKER_CHECKS: readonly LockerCheck[] = [
  {
    title: `of ${TASKS} tasks on one key one is at work at a time`,
    async check({ locker, other, prepare }) {
      await prepare?.(['counter'])
      let counter = 0
      let atWork = 0
      const increment = async () => {
        atWork++
        expect(atWork, 'tasks at work').toBe(1)
        const read = counter
        await pause(1)
        counter = read + 1
        atWork--
      }
      await Promise.all(Array.from({ length: TASKS }, (_, index) => (index % 2 ? locker : other).withLock('counter', increment)))
      expect(counter).toBe(TASKS)
    },
  },
  {
    title: 'a caller that waits gets the lock when it is released, not before',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const events: string[] = []
      const first = await locker.acquire('key')
      const second = other.acquire('key').then((held) => {
        events.push('granted')
        return held
      })
      await expectRefused(other, 'key')
      await expectRefused(locker, 'key')
      events.push('released')
      await first.release()
      await (await second).release()
      expect(events).toEqual(['released', 'granted'])
    },
  },
  {
    title: 'withLock returns what run returned, and gives it the held lock',
    async check({ locker, prepare }) {
      await prepare?.(['key'])
      const result = await locker.withLock('key', async (held) => ({ key: held.key, aborted: held.signal.aborted }))
      expect(result).toEqual({ key: 'key', aborted: false })
      await expectFree(locker, 'key')
    },
  },
  {
    title: 'callers of one locker are served in the order in which they came',
    async check({ locker, prepare }) {
      await prepare?.(['key'])
      const order: number[] = []
      const first = await locker.acquire('key')
      const waiting = Array.from({ length: 10 }, (_, index) => locker.withLock('key', async () => order.push(index)))
      await first.release()
      await Promise.all(waiting)
      expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    },
  },
  {
    title: 'callers of different keys do not wait for each other',
    async check({ locker, other, prepare }) {
      await prepare?.(['one', 'two', 'three'])
      const held = [await locker.acquire('one'), await other.acquire('two'), await locker.acquire('three', { nowait: true })]
      await releaseAll(held)
    },
  },
  {
    title: 'shared holders hold together, and exclude an exclusive one until the last has left',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const shared = [
        await locker.acquire('key', { shared: true }),
        await other.acquire('key', { shared: true }),
        await locker.acquire('key', { shared: true, nowait: true }),
      ]
      await expectRefused(locker, 'key')
      await expectRefused(other, 'key')
      await releaseAll(shared.slice(1))
      await expectRefused(other, 'key')
      await shared[0]!.release()
      await expectFree(other, 'key')
    },
  },
  {
    title: 'an exclusive holder excludes shared ones',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const held = await locker.acquire('key')
      await expectRefused(locker, 'key', { shared: true })
      await expectRefused(other, 'key', { shared: true })
      await held.release()
      await expectFree(other, 'key', { shared: true })
    },
  },
  {
    title: 'shared callers do not pass an exclusive one that waits before them',
    async check({ locker, prepare }) {
      await prepare?.(['key'])
      const order: string[] = []
      const reader = await locker.acquire('key', { shared: true })
      const writer = locker.withLock('key', async () => order.push('writer'))
      const readers = [1, 2].map(() => locker.withLock('key', async () => order.push('reader'), { shared: true }))
      await expectRefused(locker, 'key', { shared: true })
      await reader.release()
      await Promise.all([writer, ...readers])
      expect(order).toEqual(['writer', 'reader', 'reader'])
    },
  },
  {
    title: 'nowait refuses with a LockNotAvailableError that names the key, and takes nothing',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const held = await locker.acquire('key')
      for (const one of [locker, other]) {
        const refusal = await failureOf(one.withLock('key', shouldNotRun, { nowait: true }))
        expect(refusal).toBeInstanceOf(LockNotAvailableError)
        expect(refusal).toMatchObject({ code: 'LOCK_NOT_AVAILABLE', key: 'key' })
      }
      await held.release()
      await expectFree(other, 'key')
    },
  },
  {
    title: 'a wait ends at its timeout with a LockTimeoutError, and takes nothing',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const held = await locker.acquire('key')
      for (const one of [locker, other]) {
        const failure = await failureOf(one.withLock('key', shouldNotRun, { timeout: 30 }))
        expect(failure).toBeInstanceOf(LockTimeoutError)
        expect(failure).toMatchObject({ code: 'LOCK_TIMEOUT', key: 'key' })
      }
      await held.release()
      await expectFree(other, 'key', { timeout: HELD_LONG_ENOUGH })
    },
  },
  {
    title: 'an abort ends the wait with its reason, and lets those behind it go on',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const held = await locker.acquire('key')
      for (const one of [locker, other]) {
        const controller = new AbortController()
        const reason = new RangeError('not needed any more')
        const waiting = one.withLock('key', shouldNotRun, { signal: controller.signal })
        waiting.catch(() => undefined)
        await expectRefused(other, 'key')
        controller.abort(reason)
        await expect(waiting).rejects.toBe(reason)
      }
      const behind = [locker, other].map((one) => one.withLock('key', async () => undefined, { timeout: 10_000 }))
      await held.release()
      await Promise.all(behind)
      await expectFree(locker, 'key')
    },
  },
  {
    title: 'an aborted signal takes nothing',
    async check({ locker, prepare }) {
      await prepare?.(['key'])
      const reason = new RangeError('too late')
      await expect(locker.acquire('key', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      await expectFree(locker, 'key')
    },
  },
  {
    title: 'an abort while holding reaches the held lock, which stays held until it is released',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const controller = new AbortController()
      const reason = new RangeError('shutting down')
      const held = await locker.acquire('key', { signal: controller.signal })
      expect(held.signal.aborted).toBe(false)
      controller.abort(reason)
      expect(held.signal.reason).toBe(reason)
      await expectRefused(other, 'key')
      await held.release()
      await expectFree(other, 'key')
    },
  },
  {
    title: 'an error inside run is thrown as it is, and the lock is free',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const error = new RangeError('thrown by run')
      const throwing = () => {
        throw error
      }
      expect(await failureOf(locker.withLock('key', () => Promise.reject(error)))).toBe(error)
      expect(await failureOf(locker.withLock('key', throwing))).toBe(error)
      await expectFree(other, 'key')
    },
  },
  {
    title: 'a second release does nothing, also when the next holder has come',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      const first = await locker.acquire('key')
      await Promise.all([first.release(), first.release()])
      const second = await locker.acquire('key')
      await first.release()
      await expectRefused(other, 'key')
      await expectRefused(locker, 'key')
      await second.release()
      await expectFree(other, 'key')
    },
  },
  {
    title: 'await using releases at the end of the block, after an error too',
    async check({ locker, other, prepare }) {
      await prepare?.(['key'])
      {
        await using held = await locker.acquire('key')
        await expectRefused(other, held.key)
      }
      await expectFree(other, 'key')
      const failing = async () => {
        await using held = await locker.acquire('key')
        throw new RangeError(held.key)
      }
      await expect(failing()).rejects.toThrow(RangeError)
      await expectFree(other, 'key')
    },
  },
  {
    title: 'asking again for a key inside its run is refused at once, and other keys are not',
    async check({ locker, prepare }) {
      await prepare?.(['key', 'other'])
      await locker.withLock('key', async () => {
        for (const options of [{}, { shared: true }, { nowait: true }]) {
          await expect(locker.withLock('key', shouldNotRun, options)).rejects.toThrow(ReentrantLockError)
          await expect(locker.acquire('key', options)).rejects.toThrow(ReentrantLockError)
        }
        await locker.withLock('other', () => expect(locker.acquire('key')).rejects.toThrow(ReentrantLockError))
      })
      await expectFree(locker, 'key')
    },
  },
  {
    title: 'what run leaves behind may ask for the key once run is over',
    async check({ locker, prepare }) {
      await prepare?.(['key'])
      const over = new EventEmitter()
      const leftBehind = { task: Promise.resolve('') }
      await locker.withLock('key', async () => {
        leftBehind.task = once(over, 'over').then(() => locker.withLock('key', async () => 'later'))
      })
      over.emit('over')
      await expect(leftBehind.task).resolves.toBe('later')
    },
  },
  {
    title: 'odd and long keys are locks of their own',
    async check({ locker, other, prepare, oddKeys = ODD_KEYS }) {
      await prepare?.(oddKeys)
      for (const key of oddKeys) {
        const held = await locker.acquire(key, { nowait: true })
        expect(held.key).toBe(key)
        await expectRefused(other, key)
        await Promise.all(oddKeys.filter((one) => similar(one, key)).map((one) => expectFree(other, one)))
        await held.release()
      }
    },
  },
  {
    title: 'a thousand bad inputs are refused before anything is taken',
    async check({ locker, prepare }) {
      await prepare?.(['key'])
      await fc.assert(
        fc.asyncProperty(badInput, async ({ key, options }) => {
          expect(await failureOf(locker.acquire(key as string, options as LockerOptions))).toBeInstanceOf(InvalidOptionError)
          const withLock = locker.withLock(key as string, shouldNotRun, options as LockerOptions)
          expect(await failureOf(withLock)).toBeInstanceOf(InvalidOptionError)
        }),
        { numRuns: 1_000 },
      )
      await expect(locker.withLock('key', 'run' as never)).rejects.toThrow(InvalidOptionError)
      await expectFree(locker, 'key')
    },
  },
]

/** Fencing tokens grow with every exclusive grant, whoever gets it. */
export const FENCING_CHECK: LockerCheck = {
  title: 'the fencing token grows with every exclusive grant',
  async check({ locker, other, prepare }) {
    await prepare?.(['key'])
    let last = 0n
    for (const one of [locker, other, other, locker]) {
      const token = await one.withLock('key', async (held) => held.fencingToken)
      expect(token).toBeTypeOf('bigint')
      expect(token! > last, `${token} after ${last}`).toBe(true)
      last = token!
    }
  },
}

/** Fails unless the lock is held: by asking for it without waiting. */
export async function expectRefused(locker: Locker, key: string, options: LockerOptions = {}): Promise<void> {
  const granted = await locker.acquire(key, { ...options, nowait: true }).catch((error: unknown) => {
    expect(error).toBeInstanceOf(LockNotAvailableError)
  })
  if (!granted) return
  await granted.release()
  expect.unreachable('the lock was granted while it was held')
}

/** Fails unless the lock is free. What releases a lock may take a moment to reach everybody: it waits. */
export async function expectFree(locker: Locker, key: string, options: LockerOptions = {}): Promise<void> {
  await (await locker.acquire(key, { timeout: 10_000, ...options })).release()
}

// Not `rejects`: the runner waits for such a promise also when the check is over, and a broken locker's may hang.
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

async function releaseAll(held: readonly HeldLock[]): Promise<void> {
  for (const one of held) await one.release()
}

// Every pair would be hundreds: those that a careless store would take for the same.
const similar = (one: string, key: string) => one !== key && (one.length === key.length || one.trim() === key.trim())

const shouldNotRun = async () => expect.unreachable('run was called without the lock')

const notAKey = fc.oneof(
  fc.constantFrom('', null, undefined, Number.NaN, Symbol('key'), () => 'key'),
  fc.integer(),
  fc.bigInt(),
  fc.boolean(),
  fc.array(fc.string()),
  fc.dictionary(fc.string(), fc.string()),
)

const notAFlag = fc.oneof(fc.constantFrom(null, 0, 1, 'true', ''), fc.object())

const notATimeout = fc.oneof(
  fc.constantFrom(null, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5', 5n),
  fc.integer({ max: 0 }),
  fc.object(),
)

const notOptions = fc.oneof(
  fc.constantFrom(null, 'nowait', 5, true, [], [1]),
  notAFlag.map((shared) => ({ shared })),
  notAFlag.map((nowait) => ({ nowait })),
  notATimeout.map((timeout) => ({ timeout })),
  fc.constantFrom(null, 'signal', {}, new AbortController()).map((signal) => ({ signal })),
  fc.integer({ min: 1, max: 1_000 }).map((timeout) => ({ nowait: true, timeout })),
  fc
    .string({ minLength: 1 })
    .filter((name) => !['shared', 'nowait', 'timeout', 'signal', '__proto__'].includes(name))
    .map((name) => ({ [name]: true })),
)

const badInput = fc.oneof(
  fc.record({ key: notAKey, options: fc.constant(undefined) }),
  fc.record({ key: fc.string({ minLength: 1 }), options: notOptions }),
)
