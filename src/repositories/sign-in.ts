import { InvalidOptionError } from '../core/errors.js'
import { AlreadySignedInError, LimitExceededError } from './errors.js'
import { readOptions, MAX_INT, parseCount, parseId } from './input-checks.js'
import { runOneStatement } from './one-statement.js'
import type { ReadingQuotaRow, RepositoryClient, RepositoryTransaction, SignInRow } from './repository-client.js'
import { runOperation } from './run-operation.js'
import { readServerClock } from './server-clock.js'
import { type DayOptions, type DayRule, parseDayOptions, signInDayOf, wholeDayOf } from './sign-in-day.js'
import { SIGN_IN } from './sign-in-statement.js'
import { keepUser } from './user.js'

/** Who signs in. */
export interface SignInInput {
  readonly userId: number
  /** When the sign-in happens. Default: now by the database server's clock. */
  readonly now?: Date
}

export interface SignInOptions extends DayOptions {
  /** What a sign-in adds to the reading quota, a whole number. Default: 25, minimum: 1. */
  readonly reward?: number
}

/** What signing in has done. */
export interface SignInResult {
  /** The calendar date on which the day signed in for began: `'2026-03-29'`. */
  readonly day: string
  readonly nextDayStartsAt: Date
  readonly signIn: SignInRow
  /** The quota with the reward in it. */
  readonly quota: ReadingQuotaRow
}

interface SignInRequest {
  readonly userId: number
  readonly now: Date | undefined
  readonly rule: DayRule
  readonly reward: number
}

type Tx = RepositoryTransaction<'user' | 'signIn' | 'readingQuota' | 'readingQuotaChange'>

const EARLIEST = new Date('1970-01-02T00:00:00Z')
const LATEST = new Date('9999-12-30T00:00:00Z')

/**
 * Signs a user in, at most once per user and day, however many calls run at once. Adds the reward to the
 * reading quota, which the first sign-in opens, and writes the change to its log.
 *
 * Locks the user's quota (`forNoKeyUpdate`) until the transaction ends: sign-ins of one user run one after
 * another, those of other users are not affected.
 *
 * Days begin at `dayStartsAt` by the clocks of `timeZone`; nothing has to be reset. A start that the
 * clocks skip is as much later as they skip; one that they pass twice counts the first time.
 *
 * @param db A client with `rowLocks()`: the sign-in is one statement, past the client's query extensions; a first
 *   sign-in, a refused one, and one on a day in which the clocks change get a retried transaction. Or a transaction
 *   client: it joins that transaction.
 * @throws {AlreadySignedInError} the second time in a day, with the day and when the next one begins.
 * @throws {UserNotFoundError} when there is no such user.
 * @throws {LimitExceededError} when the quota cannot hold the reward.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * try {
 *   const { quota } = await signIn(prisma, { userId: 1 }, { timeZone: 'Asia/Shanghai' })
 *   console.log(`You may read ${quota.remaining} more`)
 * } catch (error) {
 *   if (!(error instanceof AlreadySignedInError)) throw error
 *   console.log(`Come back at ${error.nextDayStartsAt.toISOString()}`)
 * }
 * ```
 */
export async function signIn(
  db: RepositoryClient<'user' | 'signIn' | 'readingQuota' | 'readingQuotaChange'>,
  input: SignInInput,
  options: SignInOptions = {},
): Promise<SignInResult> {
  const request = parseRequest(input, options)
  return runOperation(db, {
    row: ['ReadingQuota', request.userId],
    run: (tx) => runSignIn(tx, request),
    runAtOnce: () => signInAtOnce(db, request),
  })
}

/** The clock of this process only guesses the day: PostgreSQL's own says, under the lock, whether it is that day. */
async function signInAtOnce(db: unknown, { userId, now, rule, reward }: SignInRequest): Promise<SignInResult | undefined> {
  const guess = wholeDayOf(now ?? new Date(), rule)
  if (!guess) return undefined
  const { day, startsAt, nextDayStartsAt } = guess
  const values = [userId, day, startsAt, nextDayStartsAt, reward, now ?? null]
  const row = await runOneStatement<SignInRow & { remaining: number }>(db, SIGN_IN, values)
  if (!row) return undefined
  const { remaining, ...signIn } = row
  return { day, nextDayStartsAt, signIn, quota: { userId, remaining } }
}

async function runSignIn(tx: Tx, { userId, now, rule, reward }: SignInRequest): Promise<SignInResult> {
  const { remaining } = (await lockQuota(tx, userId)) ?? (await openQuota(tx, userId))
  if (remaining > MAX_INT - reward) throw new LimitExceededError('ReadingQuota', { userId }, MAX_INT)

  // Read under the lock, so that the times of one user's sign-ins are in the order of their rows.
  const signedInAt = now ?? (await readServerClock(tx))
  const { day, nextDayStartsAt } = signInDayOf(signedInAt, rule)
  // The guard: the unique key on user and day lets one row in, also past those who take no lock.
  const [signIn] = await tx.signIn.createManyAndReturn({ data: { userId, day: new Date(day), signedInAt }, skipDuplicates: true })
  if (!signIn) throw new AlreadySignedInError(userId, day, nextDayStartsAt)

  const quota = await tx.readingQuota.update({ where: { userId }, data: { remaining: { increment: reward } } })
  await tx.readingQuotaChange.create({ data: { userId, delta: reward, remaining: quota.remaining, reason: 'sign-in' } })
  return { day, nextDayStartsAt, signIn, quota }
}

function lockQuota(tx: Tx, userId: number): PromiseLike<ReadingQuotaRow | null> {
  return tx.readingQuota.findUnique({ where: { userId }, lock: 'forNoKeyUpdate' })
}

/** Of two first sign-ins at once the second waits in its insert, and then finds the first one's row. */
async function openQuota(tx: Tx, userId: number): Promise<ReadingQuotaRow> {
  await keepUser(tx, userId)
  for (;;) {
    await tx.readingQuota.createMany({ data: { userId }, skipDuplicates: true })
    const quota = await lockQuota(tx, userId)
    if (quota) return quota
  }
}

function parseRequest(input: SignInInput, options: SignInOptions): SignInRequest {
  input = readOptions(input, ['userId', 'now'], 'input')
  options = readOptions(options, ['timeZone', 'dayStartsAt', 'reward'], 'options')
  const { reward = 25 } = options
  return {
    userId: parseId(input.userId, 'userId'),
    now: parseNow(input.now),
    rule: parseDayOptions(options),
    reward: parseCount(reward, 'reward', 1),
  }
}

/** NaN for what is no Date; only looks like one, or is a proxy of one. */
function timeOf(value: unknown): number {
  try {
    return Date.prototype.getTime.call(value)
  } catch {
    return Number.NaN
  }
}

function parseNow(now: unknown): Date | undefined {
  if (now === undefined) return undefined
  // Written so that the NaN of an invalid Date fails.
  const time = timeOf(now)
  if (time >= EARLIEST.getTime() && time <= LATEST.getTime()) return new Date(time)
  throw new InvalidOptionError('now', now, 'a valid Date in the years 1970 to 9999')
}
