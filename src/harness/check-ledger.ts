import { AssertionError } from 'node:assert'
import { readKnown, requireInteger, requireObject } from './race-options.js'
import { propertyOf } from '../core/option-checks.js'
import { InvalidOptionError } from '../core/errors.js'

const MOST_SHOWN = 20
const KINDS = ['CREDIT', 'WITHDRAWAL']
const LARGEST_INT = 2_147_483_647

/** What checkLedger needs of a client: Prisma's `$queryRaw`, extended or inside a transaction. */
export interface LedgerClient {
  $queryRaw(query: TemplateStringsArray, ...values: unknown[]): PromiseLike<unknown>
}

/** What to look at, and how many operations should be there. */
export interface CheckLedgerOptions {
  /**
   * How many operations reported success: there must be exactly as many entries. 0 or more; not
   * compared by default. Give `kind` or `walletId` where the seed wrote entries too.
   */
  readonly successes?: number | undefined
  /** Which entries `successes` counts; both kinds by default. */
  readonly kind?: 'CREDIT' | 'WITHDRAWAL' | undefined
  /** The only wallet to look at; all wallets by default. */
  readonly walletId?: number | undefined
}

/** One way in which a ledger is wrong. Amounts are exact decimal text. */
export interface LedgerViolation {
  readonly invariant:
    | 'balance is the sum of the entries'
    | 'balance is not negative'
    | 'entry balance is the running sum'
    | 'entry balance is not negative'
    | 'amount has the sign of its kind'
    | 'one entry for each success'
    | 'there is a wallet'
  readonly walletId: number | null
  /** The entry's id as text, because it is a bigint; null when the violation is about no one entry. */
  readonly entryId: string | null
  readonly expected: string
  readonly actual: string
}

/** What was looked at; a report is only returned when nothing was wrong. */
export interface LedgerReport {
  readonly wallets: number
  readonly entries: number
  /** The sum of all balances, exact decimal text: `'120.50'`. */
  readonly balance: string
}

interface LedgerRow extends LedgerReport {
  readonly counted: number
  readonly violations: readonly LedgerViolation[]
}

/**
 * Guarantees, of one consistent snapshot, that the ledger is right: every wallet's balance equals the
 * sum of its entries and is not negative, every entry's balance is the running sum up to it and is
 * not negative, and credits are positive and withdrawals negative. With `successes`, also that every
 * operation that reported success left exactly one entry, so that a lost update, a double effect and
 * a success that was rolled back are all found. A database without wallets does not pass.
 *
 * Reads `Wallet` and `WalletEntry` of rowlock's schema in one statement and takes no row lock. An
 * entry's place in the running sum is its id: right whenever entries are written under the lock of
 * their wallet.
 *
 * @param prisma - A Prisma client; it may be extended, or inside a transaction.
 * @throws {AssertionError} (`node:assert`) whose `actual` is an array of {@link LedgerViolation}, the
 *   first 20 of each invariant.
 * @throws {InvalidOptionError} when an option is not allowed; nothing was read.
 *
 * @example
 * ```ts
 * import { checkLedger, race, type LedgerClient } from 'rowlock/testing'
 *
 * export async function withdrawalsAddUp(prisma: LedgerClient, withdraw: () => Promise<void>) {
 *   const result = await race({ requests: 200, concurrency: 50, run: withdraw })
 *   await checkLedger(prisma, { successes: result.fulfilled, kind: 'WITHDRAWAL' })
 * }
 * ```
 */
export async function checkLedger(prisma: LedgerClient, options: CheckLedgerOptions = {}): Promise<LedgerReport> {
  const { successes, kind, walletId } = validate(prisma, options)
  const { counted, violations, ...report } = await readLedger(prisma, kind ?? null, walletId ?? null)
  const found = [...violations]
  if (report.wallets === 0) {
    found.push(violation('there is a wallet', walletId, '1 or more', '0'))
  }
  if (successes !== undefined && successes !== counted) {
    found.push(violation('one entry for each success', walletId, `${successes}`, `${counted}`))
  }
  if (found.length > 0) throw toAssertionError(found)
  return report
}

function violation(
  invariant: LedgerViolation['invariant'],
  walletId: number | undefined,
  expected: string,
  actual: string,
): LedgerViolation {
  return { invariant, walletId: walletId ?? null, entryId: null, expected, actual }
}

// One statement, because under READ COMMITTED two would see two states of a ledger still in use.
// Amounts leave PostgreSQL as text: exact, and the same whatever the client makes of a numeric.
async function readLedger(prisma: LedgerClient, kind: string | null, walletId: number | null): Promise<LedgerRow> {
  const rows = await prisma.$queryRaw`
    WITH wallet AS (
      SELECT "id", "balance" FROM "Wallet" WHERE ${walletId}::int IS NULL OR "id" = ${walletId}::int
    ), entry AS (
      SELECT "id", "walletId", "kind"::text AS "kind", "amount", "balance",
        sum("amount") OVER (PARTITION BY "walletId" ORDER BY "id") AS "running"
      FROM "WalletEntry" WHERE ${walletId}::int IS NULL OR "walletId" = ${walletId}::int
    ), total AS (
      SELECT wallet."id", wallet."balance", coalesce(sum(entry."amount"), 0) AS "sum"
      FROM wallet LEFT JOIN entry ON entry."walletId" = wallet."id"
      GROUP BY wallet."id", wallet."balance"
    ), violation ("invariant", "walletId", "entryId", "expected", "actual") AS (
      (SELECT 'balance is the sum of the entries', "id", NULL::bigint, "sum"::text, "balance"::text
        FROM total WHERE "balance" <> "sum" ORDER BY "id" LIMIT ${MOST_SHOWN}::int)
      UNION ALL
      (SELECT 'balance is not negative', "id", NULL::bigint, '0 or more', "balance"::text
        FROM total WHERE "balance" < 0 ORDER BY "id" LIMIT ${MOST_SHOWN}::int)
      UNION ALL
      (SELECT 'entry balance is the running sum', "walletId", "id", "running"::text, "balance"::text
        FROM entry WHERE "balance" <> "running" ORDER BY "id" LIMIT ${MOST_SHOWN}::int)
      UNION ALL
      (SELECT 'entry balance is not negative', "walletId", "id", '0 or more', "balance"::text
        FROM entry WHERE "balance" < 0 ORDER BY "id" LIMIT ${MOST_SHOWN}::int)
      UNION ALL
      (SELECT 'amount has the sign of its kind', "walletId", "id",
          CASE "kind" WHEN 'CREDIT' THEN 'positive' ELSE 'negative' END, "amount"::text
        FROM entry WHERE sign("amount") <> CASE "kind" WHEN 'CREDIT' THEN 1 ELSE -1 END
        ORDER BY "id" LIMIT ${MOST_SHOWN}::int)
    )
    SELECT
      (SELECT count(*) FROM wallet)::int AS "wallets",
      (SELECT count(*) FROM entry)::int AS "entries",
      (SELECT coalesce(sum("balance"), 0) FROM wallet)::text AS "balance",
      (SELECT count(*) FROM entry WHERE ${kind}::text IS NULL OR "kind" = ${kind}::text)::int AS "counted",
      (SELECT coalesce(json_agg(json_build_object(
        'invariant', "invariant", 'walletId', "walletId", 'entryId', "entryId"::text,
        'expected', "expected", 'actual', "actual"
      )), '[]') FROM violation) AS "violations"`
  return (rows as LedgerRow[])[0]!
}

function toAssertionError(violations: readonly LedgerViolation[]): AssertionError {
  const lines = violations.map(({ invariant, walletId, entryId, expected, actual }) => {
    const where = [walletId === null ? '' : `wallet ${walletId}`, entryId === null ? '' : `entry ${entryId}`]
    const subject = where.filter((part) => part !== '').join(', ') || 'ledger'
    return `  ${subject}: ${invariant}: expected ${expected}, found ${actual}`
  })
  return new AssertionError({
    message: ['The ledger is not consistent.', ...lines].join('\n'),
    actual: violations,
    expected: [],
    operator: 'checkLedger',
    stackStartFn: checkLedger,
  })
}

function validate(prisma: LedgerClient, options: CheckLedgerOptions): CheckLedgerOptions {
  if (typeof propertyOf(prisma, '$queryRaw') !== 'function') {
    throw new InvalidOptionError('prisma', prisma, 'a Prisma client, which has $queryRaw')
  }
  requireObject('options', options)
  const { successes, kind, walletId } = readKnown<CheckLedgerOptions>(options, ['successes', 'kind', 'walletId'])
  if (successes !== undefined) requireInteger('successes', successes, 0, Number.MAX_SAFE_INTEGER)
  if (walletId !== undefined) requireInteger('walletId', walletId, 1, LARGEST_INT)
  if (kind !== undefined && !KINDS.includes(kind)) {
    throw new InvalidOptionError('kind', kind, `one of ${KINDS.join(', ')}`)
  }
  return { successes, kind, walletId }
}
