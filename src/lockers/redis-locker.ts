import { systemClock } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { readOptions } from '../core/option-checks.js'
import { askForLease } from './ask-for-lease.js'
import { createLocker } from './create-locker.js'
import { Lease, type LeaseGrant } from './lease.js'
import type { HeldLease } from './lease-locker.js'
import type { LeaseAnswer, LeaseRequest, LeaseStore } from './lease-store.js'
import type { LockWait } from './lock-wait.js'
import type { Locker, LockerOptions } from './locker.js'
import { parseTtl } from './parse-ttl.js'
import { redisCommands, type RedisClient, type RedisCommands } from './redis-client.js'
import { ReleaseFeed } from './redis-releases.js'
import { ACQUIRE, RELEASE, RENEW } from './redis-scripts.js'
import { storableKey } from './storable-key.js'
import { untilAborted } from './until-aborted.js'

/** Options of {@link redisLocker}. */
export interface RedisLockerOptions {
  /**
   * How long a lock lasts that is not renewed, in milliseconds, from 100. The holder renews it every third
   * of it; when the holder dies, the others wait for what is left of it. Example: 30_000.
   */
  readonly ttl: number
  /** What the names of its keys and channels in Redis begin with. Lockers with the same prefix share their locks. Default: `rowlock:`. */
  readonly prefix?: string
}

/** A locker whose locks are keys of Redis that expire. */
export interface RedisLocker extends Locker<HeldLease> {
  acquire(key: string, options?: LockerOptions): Promise<HeldLease>
}

const MAX_TIMER = 2 ** 31 - 1
const NOT_TEXT = /\p{Surrogate}/u

/**
 * Locks by key for all processes that use the same Redis: a key with an owner and an expiry, which the holder
 * renews in the background for as long as it holds the lock. When the holder dies, the lock expires by Redis'
 * clock; the clocks of the clients do not matter. Every grant comes with a fencing token that only grows.
 *
 * **What it cannot promise:** that two holders are never at work at once. A process that was stopped, or whose
 * network was gone, goes on until it looks at `signal`; and a Redis that fails over, restarts without its data
 * or evicts keys has forgotten who holds what. More Redis servers do not change this (Kleppmann, "How to do
 * distributed locking", 2016), and this is not Redlock. What protects the data is the resource that is written
 * to: it has to remember the largest token it has seen and refuse older ones, as in the example. Where the data
 * is in PostgreSQL, `leaseLocker` or a row lock needs no Redis and promises more.
 *
 * Callers of one locker are served in order; of those in other processes, all are woken by the release, and
 * whoever asks first is served. An exclusive caller that waits lets nobody else join those who share the lock.
 * Who waits has a connection of its own, made by `client.duplicate()`, which is closed a second after the last
 * one has waited. When a connection breaks at the moment of the release, `withLock` may report a lock as lost
 * that was held to the end; the reverse does not happen.
 *
 * Needs Redis 5 or later, and the commands EVAL, SUBSCRIBE and PUBLISH for the names that begin with `prefix`.
 * Errors of the client are thrown as they are.
 *
 * @param client A client of ioredis (5, 6) or node-redis (`redis` 4.6 to 6), which the caller connects and closes.
 * @throws {InvalidOptionError} when an option is not allowed, or the client is of neither library.
 * @example
 * ```ts
 * import { Redis } from 'ioredis'
 *
 * const locker = redisLocker(new Redis(), { ttl: 30_000 })
 * await locker.withLock('report', async ({ fencingToken, signal }) => {
 *   signal.throwIfAborted()
 *   const written = await prisma.$executeRaw`
 *     UPDATE reports SET body = ${'…'}, token = ${fencingToken} WHERE id = 1 AND token <= ${fencingToken}`
 *   if (written === 0) throw new Error('another holder has taken over')
 * })
 * ```
 */
export function redisLocker(client: RedisClient, options: RedisLockerOptions): RedisLocker {
  const redis = redisCommands(client)
  const { ttl, prefix } = parseOptions(options)
  const locks = new RedisLocks(redis, ttl, prefix)
  const releases = new ReleaseFeed(redis)
  const locker = createLocker({ take: async (wait) => new Lease(locks, ttl, await takeLock(locks, releases, wait)) })
  // Every lock has a token, which the locks of other sources need not have.
  return locker as RedisLocker
}

/** Locks as Redis keeps them: one script each. */
class RedisLocks implements LeaseStore {
  readonly #redis: RedisCommands
  readonly #ttl: string
  readonly #prefix: string

  constructor(redis: RedisCommands, ttl: number, prefix: string) {
    this.#redis = redis
    this.#ttl = String(ttl)
    this.#prefix = prefix
  }

  /** What Redis calls the lock, and the channel on which its release is told. */
  nameOf(key: string): string {
    return this.#prefix + storableKey(key)
  }

  async take({ key, shared, waits }: LeaseRequest, owner: string): Promise<LeaseAnswer> {
    const how = [shared ? 'shared' : 'exclusive', waits ? 'waits' : 'nowait']
    const answer = await this.#redis.run(ACQUIRE, this.nameOf(key), owner, this.#ttl, ...how)
    const [outcome, value] = (answer as readonly unknown[]).map(String)
    return outcome === 'granted' ? { token: BigInt(value!), remaining: null } : { token: null, remaining: Number(value) }
  }

  async renew(key: string, owner: string): Promise<boolean> {
    return Number(await this.#redis.run(RENEW, this.nameOf(key), owner, this.#ttl)) === 1
  }

  async release(key: string, owner: string): Promise<boolean> {
    const name = this.nameOf(key)
    return Number(await this.#redis.run(RELEASE, name, owner, name)) === 1
  }
}

async function takeLock(locks: RedisLocks, releases: ReleaseFeed, wait: LockWait): Promise<LeaseGrant> {
  const first = await askForLease(locks, wait)
  if ('token' in first) return first

  using watch = releases.watch(locks.nameOf(wait.key))
  await untilAborted(watch.ready, wait.signal)
  for (;;) {
    const released = watch.next()
    const answer = await askForLease(locks, wait)
    if ('token' in answer) return answer
    await untilReleased(released, answer.remaining!, wait.signal)
  }
}

/** Resolves when the lock is released, or when it would be free if its holder were dead. */
async function untilReleased(released: AbortSignal, remaining: number, ended: AbortSignal | undefined): Promise<void> {
  const signal = ended ? AbortSignal.any([released, ended]) : released
  // One more: the last millisecond of a hold belongs to it.
  await systemClock.sleep(Math.min(remaining + 1, MAX_TIMER), signal).catch(() => undefined)
  ended?.throwIfAborted()
}

function parseOptions(options: RedisLockerOptions): Required<RedisLockerOptions> {
  options = readOptions(options, ['ttl', 'prefix'], 'options')
  const ttl = parseTtl(options.ttl)
  const { prefix = 'rowlock:' } = options
  if (typeof prefix !== 'string' || NOT_TEXT.test(prefix)) throw new InvalidOptionError('prefix', prefix, 'a string of well-formed Unicode')
  return { ttl, prefix }
}
