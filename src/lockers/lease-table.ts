import { classifyError, describeKey } from '../core/classify-error.js'
import { InvalidOptionError, isRowLockError } from '../core/errors.js'
import { tableOf } from '../extension/schema-model.js'
import type { RawQueryClient } from '../transaction/transaction-client.js'
import type { LeaseAnswer, LeaseRequest, LeaseStore } from './lease-store.js'
import { storableKey } from './storable-key.js'

const FIELDS = ['key', 'token', 'owners', 'shared', 'expiresAt'] as const

/**
 * The statements of the lease table: one row for each key, which stays when the lease is released.
 *
 * - A lease is free once `expiresAt` has come; a release sets it to now. All times are the server's
 *   `clock_timestamp()`, by its bare name, so that a test can put its own in front of it.
 * - A token is the default of its column, drawn from a sequence while the row is locked. Drawn before,
 *   by the client or in a subquery, a slow caller could come with a smaller one than the holder before it
 *   had; a sequence without CACHE hands its numbers out in order.
 * - Each statement is its own transaction, so that no row is locked while a client thinks.
 */
export class LeaseTable implements LeaseStore {
  readonly #client: RawQueryClient
  readonly #sql: ReturnType<typeof statements>
  readonly #ttl: number

  /** @throws {InvalidOptionError} when the client has no such model. */
  constructor(client: RawQueryClient, model: string, ttl: number) {
    this.#client = client
    this.#sql = statements(leaseNames(client, model))
    this.#ttl = ttl
  }

  async take({ key, shared, waits }: LeaseRequest, owner: string): Promise<LeaseAnswer> {
    const sql = shared ? this.#sql.takeShared : waits ? this.#sql.takeOrClose : this.#sql.take
    const [answer] = await this.#query<LeaseAnswer>(key, sql, owner, this.#ttl)
    return answer!
  }

  async renew(key: string, owner: string): Promise<boolean> {
    return (await this.#query(key, this.#sql.renew, owner, this.#ttl)).length > 0
  }

  async release(key: string, owner: string): Promise<boolean> {
    return (await this.#query(key, this.#sql.release, owner)).length > 0
  }

  /** Deletes the rows of leases that have been free for longer than this many milliseconds; returns how many. */
  async sweep(olderThan: number): Promise<number> {
    const [swept] = await this.#client.$queryRawUnsafe<[{ count: number }]>(this.#sql.sweep, olderThan)
    return swept.count
  }

  async #query<Row>(key: string, sql: string, ...values: unknown[]): Promise<Row[]> {
    try {
      return await this.#client.$queryRawUnsafe<Row[]>(sql, storableKey(key), ...values)
    } catch (error) {
      throw explainLeaseError(error, `the lease${describeKey(key)}`)
    }
  }
}

/** The names of the lease table and its columns, quoted. */
export type LeaseNames = Readonly<Record<(typeof FIELDS)[number] | 'table', string>>

/** @throws {InvalidOptionError} when the client's schema has no such model, or it has not the fields of a lease. */
export function leaseNames(client: unknown, model: string): LeaseNames {
  const table = tableOf(client, model)
  const names = FIELDS.map((field) => [field, table?.columns.get(field)] as const)
  if (!table || names.some(([, column]) => column === undefined)) {
    throw new InvalidOptionError('model', model, "a model of the client; copy `Lease` and its migration from rowlock's schema.prisma")
  }
  return { table: table.name, ...Object.fromEntries(names) } as LeaseNames
}

/** An error of a lease statement as a `RowLockError`. A client with `rowLocks()` has explained it as one of any raw query. */
export function explainLeaseError(error: unknown, subject: string): unknown {
  const cause = isRowLockError(error) && error.cause !== undefined ? error.cause : error
  return classifyError(cause, { subject }) ?? error
}

/** `$1` is the key, `$2` the owner, `$3` the lease's duration in milliseconds. */
function statements({ table, key, token, owners, shared, expiresAt }: LeaseNames) {
  const expiry = `clock_timestamp() + $3::int * interval '1 millisecond'`
  const isLive = `${expiresAt} > clock_timestamp()`

  /**
   * SKIP LOCKED: the row may be locked by a guarded write for as long as that takes, and by a renewal or
   * another caller for a moment; for all of them the lease is held. FOR UPDATE is what conflicts with a
   * guarded write's FOR KEY SHARE. A row that is not there yet is inserted; of several who try, one does.
   */
  const take = (isShared: boolean, ...more: string[]) => `
    WITH "free" AS MATERIALIZED (
      SELECT ${key} FROM ${table} WHERE ${key} = $1 AND ${expiresAt} <= clock_timestamp() FOR UPDATE SKIP LOCKED
    ), "taken" AS (
      UPDATE ${table} AS "lease" SET ${token} = DEFAULT, ${owners} = ARRAY[$2::text], ${shared} = ${isShared}, ${expiresAt} = ${expiry}
      FROM "free" WHERE "lease".${key} = "free".${key} RETURNING "lease".${token}
    ), "opened" AS (
      INSERT INTO ${table} (${key}, ${owners}, ${shared}, ${expiresAt})
      SELECT $1, ARRAY[$2::text], ${isShared}, ${expiry} WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE ${key} = $1)
      ON CONFLICT DO NOTHING RETURNING ${token}
    )${more.map((one) => `, ${one}`).join('')}
    SELECT
      (SELECT ${token} FROM "taken" UNION ALL SELECT ${token} FROM "opened"${isShared ? ` UNION ALL SELECT ${token} FROM "joined"` : ''}) AS "token",
      (SELECT (extract(epoch FROM ${expiresAt} - clock_timestamp()) * 1000)::float8 FROM ${table} WHERE ${key} = $1) AS "remaining"`

  // Of a row that was free a moment ago only "taken" may make something, whatever the clock says since.
  const joined = `"joined" AS (
      UPDATE ${table} SET ${owners} = ${owners} || $2::text, ${expiresAt} = greatest(${expiresAt}, ${expiry})
      WHERE ${key} = $1 AND ${shared} AND ${isLive} AND NOT EXISTS (SELECT 1 FROM "free") RETURNING ${token}
    )`
  // Who holds it keeps it, and nobody joins any more: a waiting writer would else wait for ever.
  const closed = `"closed" AS (
      UPDATE ${table} SET ${shared} = false WHERE ${key} = $1 AND ${shared} AND ${isLive} AND NOT EXISTS (SELECT 1 FROM "free")
    )`

  return {
    take: take(false),
    takeOrClose: take(false, closed),
    takeShared: take(true, joined),
    // Also of a lease that has expired, as long as nobody has taken it over. Those who share it may each
    // have a ttl of their own.
    renew: `
      UPDATE ${table} SET ${expiresAt} = greatest(${expiresAt}, ${expiry}) WHERE ${key} = $1 AND $2::text = ANY (${owners}) RETURNING true AS "held"`,
    // The token stays current until the next grant: what is written with it meanwhile harms nobody.
    release: `
      UPDATE ${table} SET ${owners} = array_remove(${owners}, $2::text),
        ${expiresAt} = CASE WHEN ${owners} = ARRAY[$2::text] THEN least(${expiresAt}, clock_timestamp()) ELSE ${expiresAt} END
      WHERE ${key} = $1 AND $2::text = ANY (${owners}) RETURNING true AS "held"`,
    sweep: `
      WITH "swept" AS (
        DELETE FROM ${table} WHERE ${key} IN (
          SELECT ${key} FROM ${table} WHERE ${expiresAt} < clock_timestamp() - $1::bigint * interval '1 millisecond' FOR UPDATE SKIP LOCKED
        ) RETURNING 1
      ) SELECT count(*)::int AS "count" FROM "swept"`,
  }
}
