import { systemClock } from '../core/clock.js'
import { InvalidOptionError } from '../core/errors.js'
import { MAX_AGE, parseNumber, propertyOf, readOptions } from '../core/option-checks.js'
import { isTransactionClient, type RawQueryClient } from '../transaction/transaction-client.js'
import { askForLease } from './ask-for-lease.js'
import { createLocker } from './create-locker.js'
import { guardedWrite } from './guarded-write.js'
import { Lease, type LeaseGrant } from './lease.js'
import { LeaseTable } from './lease-table.js'
import type { LockWait } from './lock-wait.js'
import type { HeldLock, Locker, LockerOptions } from './locker.js'
import { parseTtl } from './parse-ttl.js'

/** Options of {@link leaseLocker}. */
export interface LeaseLockerOptions {
  /**
   * How long a lease lasts that is not renewed, in milliseconds, from 100. The holder renews it every third
   * of it; when the holder dies, the others wait for what is left of it. Example: 30_000.
   */
  readonly ttl: number
  /** The model of the lease table. Default: `Lease`, as in rowlock's own `schema.prisma`. */
  readonly model?: string
}

/** Options of {@link LeaseLocker.sweep}. */
export interface SweepLeasesOptions {
  /**
   * Leases that have been free for longer than this are forgotten. In milliseconds, 60,000 to
   * 1,000,000,000,000 (31 years). Default: one day.
   */
  readonly olderThan?: number
}

/** A lease that is held. */
export interface HeldLease extends HeldLock {
  /** Larger with every exclusive grant of the key. Those who share a lease share its token. */
  readonly fencingToken: bigint
}

/** A locker whose locks are rows that expire. */
export interface LeaseLocker extends Locker<HeldLease> {
  acquire(key: string, options?: LockerOptions): Promise<HeldLease>
  /** {@link guardedWrite} with this locker's table. */
  guardedWrite(tx: RawQueryClient, token: bigint): Promise<void>
  /**
   * Deletes the rows of leases that have been free for long, so that the table does not grow with every key
   * ever used. To be called now and then; it waits for nobody. Later grants still get larger tokens.
   *
   * @returns How many rows were deleted.
   * @throws {InvalidOptionError} for an option that is not allowed.
   */
  sweep(options?: SweepLeasesOptions): Promise<number>
}

const MIN_AGE = 60_000
const DAY = 86_400_000

// In milliseconds: between two looks at a lease that is held.
const FIRST_PAUSE = 5
const LONGEST_PAUSE = 250

/**
 * Locks by key for all processes that use the same database: a row with an owner and an expiry, which the
 * holder renews in the background for as long as it holds the lock. When the holder dies, the lease expires
 * by the server's clock, and the next one takes it over; the clocks of the clients do not matter.
 *
 * **What no lease can promise:** that its holder stops when it is lost. A process that was stopped, or whose
 * network was gone, goes on as if nothing had happened until it looks. `signal` is aborted before anybody
 * else can get the lease, or as soon as a process runs again that did not run by then; what protects the
 * data is the fencing token: {@link LeaseLocker.guardedWrite} refuses an older one in the transaction of
 * the effect itself, and any other store can do the same by remembering the largest it has seen.
 *
 * Callers of one locker are served in order, those of other processes whoever looks first; they look every
 * 250 ms at the latest. While an exclusive caller waits, nobody joins those who share the lease. Each lease
 * takes a connection of `prisma`'s pool for a moment every third of its ttl: a pool that is used up for
 * longer loses its leases, so give the locker a client of its own when that can happen.
 *
 * @param prisma A client, also one without `rowLocks()`, whose schema has the model `Lease`.
 * @throws {InvalidOptionError} when an option is not allowed, or the client has no such model.
 * @example
 * ```ts
 * const locker = leaseLocker(prisma, { ttl: 30_000 })
 * await locker.withLock('nightly-report', async ({ fencingToken, signal }) => {
 *   signal.throwIfAborted()
 *   await prisma.$transaction(async (tx) => {
 *     await locker.guardedWrite(tx, fencingToken)
 *     await tx.company.update({ where: { id: 1 }, data: { count: { increment: 1 } } })
 *   })
 * })
 * ```
 */
export function leaseLocker(prisma: RawQueryClient, options: LeaseLockerOptions): LeaseLocker {
  assertClient(prisma)
  const { ttl, model } = parseOptions(options)
  const table = new LeaseTable(prisma, model, ttl)
  const locker = createLocker({ take: async (wait) => new Lease(table, ttl, await takeLease(table, wait)) })
  return {
    // Every lease has a token, which the locks of other sources need not have.
    ...(locker as Pick<LeaseLocker, 'acquire' | 'withLock'>),
    guardedWrite: (tx, token) => guardedWrite(tx, token, { model }),
    sweep: async (sweepOptions) => table.sweep(parseAge(sweepOptions)),
  }
}

async function takeLease(table: LeaseTable, wait: LockWait): Promise<LeaseGrant> {
  for (let longest = FIRST_PAUSE; ; longest = Math.min(longest * 2, LONGEST_PAUSE)) {
    const answer = await askForLease(table, wait)
    if ('token' in answer) return answer
    await systemClock.sleep(pauseBefore(longest, answer.remaining), wait.signal)
  }
}

/**
 * Of a random length, so that the waiting processes do not all come at once; not much longer than the
 * present lease has left, unless it has nothing left: then a guarded write is still under way.
 */
function pauseBefore(longest: number, remaining: number | null): number {
  const random = longest * (0.5 + systemClock.random() / 2)
  return remaining !== null && remaining > 0 ? Math.min(random, remaining + 1) : random
}

function assertClient(prisma: RawQueryClient): void {
  if (typeof propertyOf(prisma, '$queryRawUnsafe') !== 'function' || isTransactionClient(prisma)) {
    throw new InvalidOptionError('prisma', prisma, 'a Prisma client, and not the `tx` of a transaction: a lease is taken outside of it')
  }
}

function parseOptions(options: LeaseLockerOptions): Required<LeaseLockerOptions> {
  options = readOptions(options, ['ttl', 'model'], 'options')
  const ttl = parseTtl(options.ttl)
  const { model = 'Lease' } = options
  if (typeof model !== 'string') throw new InvalidOptionError('model', model, "a model's name")
  return { ttl, model }
}

function parseAge(options: SweepLeasesOptions = {}): number {
  options = readOptions(options, ['olderThan'], 'options')
  return parseNumber(options.olderThan, 'olderThan', { min: MIN_AGE, max: MAX_AGE }) ?? DAY
}
