import { columns, NOW, type StatementTemplate, type Table, WITHIN_LOCK_TIMEOUT } from './one-statement.js'
import { asJson, COUPON_AS_JSON, COUPON_FIELDS, ENTRY } from './wallet-statements.js'

/** What became of one movement, in the order of the batch. */
export interface MovementRow {
  /** False when the wallet was left as it was: it would have gone below zero or above its limit, or the key was used. */
  readonly done: boolean
  /** After the movement, or where it was refused. */
  readonly balance: string
  readonly id: bigint | null
  readonly walletId: number
  readonly createdAt: Date
  readonly couponId: number | null
}

type Tables = Parameters<StatementTemplate['render']>[0]

/**
 * Applies movements of one wallet in their order: `$1` the user, `$2` the amounts, negative for withdrawals,
 * `$3` the value of each one's coupon or null, `$4` the largest balance. No row when there is no wallet.
 */
export const MOVEMENTS: StatementTemplate = {
  subject: 'the batch of movements',
  model: 'Wallet',
  writes: ['Wallet', 'WalletEntry', 'Coupon'],
  render: (table) => render(table),
}

/** `$5` the idempotency key of each movement or null, `$6` the digests of their inputs. No key may come twice. */
export const MOVEMENTS_ONCE: StatementTemplate = {
  ...MOVEMENTS,
  writes: [...MOVEMENTS.writes, 'IdempotencyRecord'],
  render: (table) => render(table, { used: `${used(table)},`, unused: UNUSED, record: `, ${record(table)}` }),
}

/**
 * Everything is decided on the locked row: "locked" waits for whoever holds the wallet and reads what they
 * left, "run" goes from one movement to the next and passes over those that do not fit, and the rest writes
 * what came of it: one UPDATE, one INSERT of the entries of each kind, one of all coupons.
 */
function render(table: Tables, { used, unused, record } = { used: '', unused: '', record: '' }): string {
  const [wallet, entry, coupon] = [table('Wallet'), table('WalletEntry'), table('Coupon')]
  return `WITH RECURSIVE "locked" AS MATERIALIZED (
    SELECT "w".${wallet.id} AS "id", "w".${wallet.balance} AS "balance" FROM ${wallet.$table} AS "w"
    WHERE "w".${wallet.userId} = $1 AND ${WITHIN_LOCK_TIMEOUT} FOR NO KEY UPDATE OF "w"
  ), ${used} "run" AS (
    SELECT 0 AS "place", "balance"::numeric, false AS "done" FROM "locked"
    UNION ALL
    SELECT "place", CASE WHEN "fits" THEN "balance" + "amount" ELSE "balance" END, "fits" FROM (
      SELECT "place", "balance", "amount", "balance" + "amount" BETWEEN 0 AND $4::numeric ${unused} AS "fits" FROM (
        SELECT "place" + 1 AS "place", "balance", ($2::numeric[])["place" + 1] AS "amount" FROM "run" WHERE "place" < cardinality($2::numeric[])
      ) AS "next"
    ) AS "step"
  ), "moved" AS MATERIALIZED (
    SELECT "place", ($2::numeric[])["place"] AS "amount", "run"."balance", "done", "locked"."id" AS "walletId",
      CASE WHEN "done" THEN ${nextId(entry)} END AS "id", ${NOW} AS "createdAt"
    FROM "run", "locked" WHERE "place" > 0 ORDER BY "place"
  ), "wallet" AS (
    UPDATE ${wallet.$table} AS "w" SET ${wallet.balance} = "last"."balance"
    FROM (SELECT "walletId", "balance" FROM "moved" ORDER BY "place" DESC LIMIT 1) AS "last"
    WHERE "w".${wallet.id} = "last"."walletId" AND EXISTS (SELECT FROM "moved" WHERE "done")
  ), "withdrawals" AS (
    ${insertEntries(entry, 'WITHDRAWAL')} AND "amount" < 0
  ), "credits" AS (
    ${insertEntries(entry, 'CREDIT')} AND "amount" > 0
  ), "coupon" AS (
    INSERT INTO ${coupon.$table} AS "c" (${coupon.walletId}, ${coupon.entryId}, ${coupon.value}, ${coupon.createdAt})
    SELECT "walletId", "id", ($3::numeric[])["place"], "createdAt" FROM "moved" WHERE "done" AND ($3::numeric[])["place"] IS NOT NULL
    RETURNING ${columns(coupon, 'c', COUPON_FIELDS)}
  ) ${record}
  SELECT "done", "moved"."balance"::text AS "balance", "moved"."id", "moved"."walletId", "moved"."createdAt", "coupon"."id" AS "couponId"
  FROM "moved" LEFT JOIN "coupon" ON "coupon"."entryId" = "moved"."id" ORDER BY "place"`
}

// One INSERT a kind: a literal takes the type of its column, which may be an enum of any name.
function insertEntries(entry: Table<'WalletEntry'>, kind: string): string {
  return `INSERT INTO ${entry.$table} (${entry.id}, ${entry.walletId}, ${entry.kind}, ${entry.amount}, ${entry.balance}, ${entry.createdAt})
    SELECT "id", "walletId", '${kind}', "amount", "balance", "createdAt" FROM "moved" WHERE "done"`
}

/** The ids go up with the places, over both kinds. In a sub-select: to look the sequence up for each costs as much as the rest. */
function nextId({ $table, id }: Table<'WalletEntry'>): string {
  return `nextval((SELECT pg_get_serial_sequence(${literal($table)}, ${literal(unquoted(id))})::regclass))`
}

const OPERATION = `CASE WHEN "amount" < 0 THEN 'withdraw' ELSE 'credit' END`
const UNUSED = `AND "place" <> ALL ((SELECT "places" FROM "used")::bigint[])`

/** Of a key that was used before nothing is changed; of one that is being used the unique key lets one row in. */
function used(table: Tables): string {
  const { $table, ...of } = table('IdempotencyRecord')
  return `"used" AS MATERIALIZED (
    SELECT coalesce(array_agg("place"), '{}') AS "places"
    FROM unnest($2::numeric[], $5::text[]) WITH ORDINALITY AS "request" ("amount", "key", "place")
    JOIN ${$table} AS "r" ON "r".${of.operation} = ${OPERATION} AND "r".${of.key} = "request"."key"
  )`
}

/** The results, as `once` would store them. */
function record(table: Tables): string {
  const { $table, ...to } = table('IdempotencyRecord')
  const result = `jsonb_build_object('balance', jsonb_build_object('$decimal', "balance"::text), 'entry', ${asJson(ENTRY)})`
  const coupon = `jsonb_build_object('coupon', (${COUPON_AS_JSON} WHERE "entryId" = "done"."id"))`
  return `"done" AS (
    SELECT *, CASE WHEN "amount" < 0 THEN 'WITHDRAWAL' ELSE 'CREDIT' END AS "kind", ($5::text[])["place"] AS "key" FROM "moved" WHERE "done"
  ), "record" AS (
    INSERT INTO ${$table} (${to.operation}, ${to.key}, ${to.inputHash}, ${to.result}, ${to.createdAt})
    SELECT ${OPERATION}, "key", ($6::text[])["place"], ${result} || CASE WHEN "amount" < 0 THEN '{}' ELSE ${coupon} END, clock_timestamp()
    FROM "done" WHERE "key" IS NOT NULL
  )`
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const unquoted = (identifier: string) => identifier.slice(1, -1).replaceAll('""', '"')
