import { MAX_AMOUNT } from './money.js'
import { columns, NOW, type StatementTemplate, type Table, WITHIN_LOCK_TIMEOUT } from './one-statement.js'
import type { CouponRow, WalletEntryRow } from './repository-client.js'

type Tables = Parameters<StatementTemplate['render']>[0]
type Encoding = 'bigint' | 'date' | 'decimal' | 'json'

/** What a statement does to a wallet, in SQL. */
interface Movement {
  readonly name: 'credit' | 'withdraw'
  readonly kind: WalletEntryRow['kind']
  /** The change of the balance. */
  readonly amount: string
  /** What must hold of the balance before it. */
  readonly guard: (balance: string) => string
}

const CREDITING: Movement = {
  name: 'credit',
  kind: 'CREDIT',
  amount: '$2::numeric',
  guard: (balance) => `${balance} <= ${MAX_AMOUNT.toFixed()} - $2::numeric`,
}

const WITHDRAWING: Movement = {
  name: 'withdraw',
  kind: 'WITHDRAWAL',
  amount: '-$2::numeric',
  guard: (balance) => `${balance} >= $2::numeric`,
}

export const ENTRY = { id: 'bigint', walletId: 'json', kind: 'json', amount: 'decimal', balance: 'decimal', createdAt: 'date' } as const
const COUPON = { id: 'json', walletId: 'json', entryId: 'bigint', value: 'decimal', createdAt: 'date' } as const
const ENTRY_FIELDS = Object.keys(ENTRY) as (keyof WalletEntryRow)[]
/** Of an entry, what its writer does not know. */
const NEWS = ['id', 'walletId', 'balance', 'createdAt'] as const
export const COUPON_FIELDS = Object.keys(COUPON) as (keyof CouponRow)[]

/** The entry that a movement writes, but for what the amount says. */
export type EntryNews = Pick<WalletEntryRow, (typeof NEWS)[number]>

/** `$1` the user, `$2` the amount. Returns the {@link EntryNews}, as all of these do. */
export const WITHDRAW: StatementTemplate = {
  subject: 'the withdrawal',
  model: 'Wallet',
  writes: ['Wallet', 'WalletEntry'],
  render: (table) => moveOnly(table, WITHDRAWING),
}

/** `$3` the idempotency key, `$4` the digest of the input. */
export const WITHDRAW_ONCE: StatementTemplate = {
  ...WITHDRAW,
  writes: [...WITHDRAW.writes, 'IdempotencyRecord'],
  render: (table) =>
    `WITH ${move(table, WITHDRAWING, unused(table, WITHDRAWING, '$3'))}, ${record(table, WITHDRAWING, ['$3', '$4'])} ${SELECT_NEWS}`,
}

/** `$1` the user, `$2` the amount. */
export const CREDIT: StatementTemplate = {
  ...WITHDRAW,
  subject: 'the credit',
  render: (table) => moveOnly(table, CREDITING),
}

/** `$3` the value of the coupon or null. Returns the coupon, too, as JSON. */
export const CREDIT_WITH_COUPON: StatementTemplate = {
  ...CREDIT,
  writes: [...CREDIT.writes, 'Coupon'],
  render: (table) => `WITH ${move(table, CREDITING)}, ${grant(table)} ${SELECT_NEWS_AND_COUPON}`,
}

/** `$4` the idempotency key, `$5` the digest of the input. */
export const CREDIT_ONCE: StatementTemplate = {
  ...CREDIT_WITH_COUPON,
  writes: [...CREDIT_WITH_COUPON.writes, 'IdempotencyRecord'],
  render: (table) =>
    `WITH ${move(table, CREDITING, unused(table, CREDITING, '$4'))}, ${grant(table)}, ` +
    `${record(table, CREDITING, ['$4', '$5'], `, 'coupon', (${COUPON_AS_JSON})`)} ${SELECT_NEWS_AND_COUPON}`,
}

/** The INSERT is the statement itself: as one more part of WITH it would cost the server a third more. */
function moveOnly(table: Tables, movement: Movement): string {
  return `WITH ${changeBalance(table, movement)} ${insertEntry(table, movement, NEWS)}`
}

function move(table: Tables, movement: Movement, condition?: string): string {
  return `${changeBalance(table, movement, condition)}, "entry" AS (${insertEntry(table, movement, ENTRY_FIELDS)})`
}

/**
 * The guard is the row's lock, too: the UPDATE waits for whoever holds the wallet, and PostgreSQL then decides
 * anew, on what they left.
 */
function changeBalance(table: Tables, { amount, guard }: Movement, condition = 'true'): string {
  const wallet = table('Wallet')
  return `"wallet" AS (
    UPDATE ${wallet.$table} AS "w" SET ${wallet.balance} = "w".${wallet.balance} + (${amount})
    WHERE "w".${wallet.userId} = $1 AND ${guard(`"w".${wallet.balance}`)} AND ${condition} AND ${WITHIN_LOCK_TIMEOUT}
    RETURNING "w".${wallet.id} AS "id", "w".${wallet.balance} AS "balance"
  )`
}

function insertEntry(table: Tables, { kind, amount }: Movement, returned: readonly (keyof WalletEntryRow)[]): string {
  const entry = table('WalletEntry')
  return `INSERT INTO ${entry.$table} AS "e" (${entry.walletId}, ${entry.kind}, ${entry.amount}, ${entry.balance}, ${entry.createdAt})
    SELECT "id", '${kind}', ${amount}, "balance", ${NOW} FROM "wallet" RETURNING ${columns(entry, 'e', returned)}`
}

function grant(table: Tables): string {
  const coupon = table('Coupon')
  return `"coupon" AS (
    INSERT INTO ${coupon.$table} AS "c" (${coupon.walletId}, ${coupon.entryId}, ${coupon.value}, ${coupon.createdAt})
    SELECT "walletId", "id", $3::numeric, ${NOW} FROM "entry" WHERE $3::numeric IS NOT NULL
    RETURNING ${columns(coupon, 'c', COUPON_FIELDS)}
  )`
}

/** Of a key that was used before nothing is changed; of one that is being used the unique key lets one row in. */
function unused(table: Tables, { name }: Movement, key: string): string {
  const used = table('IdempotencyRecord')
  return `NOT EXISTS (SELECT FROM ${used.$table} AS "r" WHERE "r".${used.operation} = '${name}' AND "r".${used.key} = ${key})`
}

/** The result, as `once` would store it. */
function record(table: Tables, { name }: Movement, [key, digest]: readonly [string, string], more = ''): string {
  const { $table, ...to } = table('IdempotencyRecord') satisfies Table<'IdempotencyRecord'>
  const result = `jsonb_build_object('balance', ${encode('balance', 'decimal')}, 'entry', ${asJson(ENTRY)}${more})`
  return `"record" AS (
    INSERT INTO ${$table} (${to.operation}, ${to.key}, ${to.inputHash}, ${to.result}, ${to.createdAt})
    SELECT '${name}', ${key}, ${digest}, ${result}, clock_timestamp() FROM "entry"
  )`
}

export const asJson = (encodings: Readonly<Record<string, Encoding>>) =>
  `jsonb_build_object(${Object.entries(encodings)
    .map(([field, encoding]) => `'${field}', ${encode(field, encoding)}`)
    .join(', ')})`

/** As `encodeResult` does it. */
function encode(field: string, encoding: Encoding): string {
  if (encoding === 'json') return `"${field}"`
  // In the session's time zone, whose clock Prisma's adapter 7.10 reads as if it were UTC's.
  const text = encoding === 'date' ? `to_char("${field}", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')` : `"${field}"::text`
  return `jsonb_build_object('$${encoding}', ${text})`
}

export const COUPON_AS_JSON = `SELECT ${asJson(COUPON)} FROM "coupon"`

const NEWS_FIELDS = NEWS.map((field) => `"${field}"`).join(', ')
const SELECT_NEWS = `SELECT ${NEWS_FIELDS} FROM "entry"`
const SELECT_NEWS_AND_COUPON = `SELECT ${NEWS_FIELDS}, (${COUPON_AS_JSON}) AS "coupon" FROM "entry"`
