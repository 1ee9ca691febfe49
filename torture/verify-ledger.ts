import { AssertionError } from 'node:assert'
import type postgres from 'postgres'
import { checkLedger, type LedgerViolation } from '../src/harness/check-ledger.js'
import type { Tally } from './fault.js'
import type { Acknowledgement, Journaled } from './journal.js'
import { amountOf, type Movement, OPENING } from './movement.js'

/** An entry of the ledger; its amount is signed decimal text. */
export interface LedgerEntry {
  readonly id: string
  readonly userId: number
  readonly amount: string
}

/** An idempotency record of a movement, and the entry that the result in it names. */
export interface LedgerRecord {
  readonly operation: string
  readonly key: string
  readonly entry: string | null
}

export interface Ledger {
  readonly entries: readonly LedgerEntry[]
  readonly records: readonly LedgerRecord[]
  /** Balances that are not the sum of their entries, and what else an audit finds, in words. */
  readonly violations: readonly string[]
}

type LedgerTally = Pick<Tally, 'lost' | 'doubled' | 'phantoms' | 'falseNegatives' | 'unresolved' | 'wrong' | 'untyped'>

export interface LedgerVerdict extends LedgerTally {
  /** The calls that the journals know of. */
  readonly operations: number
  /** The first of each finding, and how often the outcome was unknown. */
  readonly notes: readonly string[]
}

/**
 * Compares what callers meant to do and were told with what the ledger holds. Call it when nothing runs any more
 * and everyone who had a key and no answer has called again: what is open then stays so.
 *
 * @param sql A connection to the database, which holds nothing but what `openWallets` and the journals' movements
 *   put there.
 */
export async function verifyLedger(sql: postgres.Sql, journaled: readonly Journaled[]): Promise<LedgerVerdict> {
  return compareLedger(journaled, await readLedger(sql))
}

/** Gives each of the users 1 to `count` a wallet whose first entry is {@link OPENING}. */
export async function openWallets(sql: postgres.Sql, count: number): Promise<void> {
  await sql`INSERT INTO "User" ("id", "name") SELECT n, 'user ' || n FROM generate_series(1, ${count}::int) AS n`
  await sql`
    WITH wallet AS (INSERT INTO "Wallet" ("userId", "balance") SELECT n, ${OPENING}::numeric FROM generate_series(1, ${count}::int) AS n RETURNING "id")
    INSERT INTO "WalletEntry" ("walletId", "kind", "amount", "balance") SELECT "id", 'CREDIT', ${OPENING}::numeric, ${OPENING}::numeric FROM wallet`
}

/** Pure, so that its own test can plant every error. */
export function compareLedger(journaled: readonly Journaled[], { entries, records, violations }: Ledger): LedgerVerdict {
  const findings = new Findings()
  const intended = new Map(journaled.map(({ movement }) => [signedAmount(movement), movement]))
  const found = new Map<number, LedgerEntry[]>()
  const opened = new Set<number>()
  for (const entry of entries) {
    const movement = intended.get(entry.amount)
    if (movement?.userId === entry.userId) found.set(movement.id, [...(found.get(movement.id) ?? []), entry])
    else if (entry.amount === OPENING && !opened.has(entry.userId)) opened.add(entry.userId)
    else findings.add('phantoms', `entry ${entry.id} of ${entry.amount} in the wallet of user ${entry.userId}`)
  }
  const byKey = new Map(records.map((record) => [recordName(record.operation, record.key), record]))
  for (const one of journaled) judge(one, found.get(one.movement.id) ?? [], takeRecord(byKey, one.movement), findings)
  for (const name of byKey.keys()) findings.add('phantoms', `an idempotency record of ${name}`)
  for (const violation of violations) findings.add('wrong', violation)

  const calls = journaled.flatMap((one) => one.calls)
  const unknown = calls.filter(isOpen).length
  const open = journaled.filter((one) => outcomeOf(one) === 'open' && one.movement.key === undefined)
  const thereAnyway = open.filter(({ movement }) => found.has(movement.id)).length
  return {
    ...findings.tally,
    operations: calls.length,
    notes: [
      ...(unknown > 0
        ? [`${unknown} calls without an answer, ${open.length} of them without a key: ${thereAnyway} of those were committed`]
        : []),
      ...findings.notes(),
    ],
  }
}

function judge(journaled: Journaled, entries: readonly LedgerEntry[], record: LedgerRecord | undefined, findings: Findings): void {
  const { movement, calls } = journaled
  const what = `${movement.kind} ${movement.id} of user ${movement.userId}${movement.key === undefined ? '' : ` with key ${movement.key}`}`
  const outcome = outcomeOf(journaled)
  const wasOpen = calls.some(isOpen)

  for (const call of calls) if (call?.said === 'untyped') findings.add('untyped', `${what}: ${call.error}`)
  if (entries.length > 1) findings.add('doubled', `${what}: ${entries.length} entries`, entries.length - 1)
  if (outcome === 'done' && entries.length === 0) findings.add(wasOpen ? 'unresolved' : 'lost', `${what}: done, and no entry`)
  if (outcome === 'refused' && (entries.length > 0 || record)) findings.add('falseNegatives', `${what}: refused, and it is there`)
  if (outcome === 'open' && movement.key !== undefined) findings.add('unresolved', `${what}: nobody got an answer`)
  for (const call of calls) {
    if (call?.said !== 'ok' || call.entry === undefined || entries.length === 0) continue
    if (entries.some(({ id }) => id === call.entry)) continue
    findings.add(wasOpen ? 'unresolved' : 'wrong', `${what}: its result names entry ${call.entry}, it is entry ${entries[0]!.id}`)
  }
  if (movement.key === undefined) return
  if (entries.length > 0 && !record) findings.add('wrong', `${what}: an entry without an idempotency record`)
  if (record && entries.length > 0 && !entries.some(({ id }) => id === record.entry)) {
    findings.add('wrong', `${what}: its idempotency record names entry ${record.entry}`)
  }
  if (record && entries.length === 0 && outcome === 'open') findings.add('wrong', `${what}: an idempotency record without an entry`)
}

/** A call that was refused after one without an answer says nothing of that one. */
function outcomeOf({ calls }: Journaled): 'done' | 'refused' | 'open' {
  if (calls.some((call) => call?.said === 'ok')) return 'done'
  return calls.some(isOpen) ? 'open' : 'refused'
}

const isOpen = (call: Acknowledgement | undefined) => call === undefined || call.said === 'unknown'

const signedAmount = ({ id, kind }: Movement) => `${kind === 'withdraw' ? '-' : ''}${amountOf(id)}`

const recordName = (operation: string, key: string) => `${operation} ${key}`

/** What is still in the map at the end, nobody intended. */
function takeRecord(byKey: Map<string, LedgerRecord>, { kind, key }: Movement): LedgerRecord | undefined {
  if (key === undefined) return undefined
  const name = recordName(kind, key)
  const record = byKey.get(name)
  byKey.delete(name)
  return record
}

const SHOWN = 3

/** Counts, and keeps the first of each kind in words. */
class Findings {
  readonly tally = { lost: 0, doubled: 0, phantoms: 0, falseNegatives: 0, unresolved: 0, wrong: 0, untyped: 0 }
  readonly #words = new Map<keyof LedgerTally, string[]>()

  add(kind: keyof LedgerTally, words: string, count = 1): void {
    this.tally[kind] += count
    const kept = this.#words.get(kind) ?? []
    if (kept.length < SHOWN) this.#words.set(kind, [...kept, words])
  }

  notes(): string[] {
    return [...this.#words].flatMap(([kind, words]) => words.map((one) => `${kind}: ${one}`))
  }
}

async function readLedger(sql: postgres.Sql): Promise<Ledger> {
  const entries = await sql<LedgerEntry[]>`
    SELECT e."id"::text AS "id", w."userId", e."amount"::text AS "amount" FROM "WalletEntry" e JOIN "Wallet" w ON w."id" = e."walletId"
    ORDER BY e."id"`
  const records = await sql<LedgerRecord[]>`
    SELECT "operation", "key", "result"->'entry'->'id'->>'$bigint' AS "entry" FROM "IdempotencyRecord" WHERE "operation" IN ('credit', 'withdraw')`
  return { entries, records, violations: await auditLedger(sql) }
}

/** The same audit that users have, so that it is tried here as well. */
async function auditLedger(sql: postgres.Sql): Promise<string[]> {
  try {
    await checkLedger({ $queryRaw: (query, ...values) => sql(query, ...(values as string[])) })
    return []
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    const violations = error.actual as readonly LedgerViolation[]
    return violations.map(({ invariant, walletId, entryId, expected, actual }) =>
      [`wallet ${walletId}`, entryId === null ? [] : `entry ${entryId}`, `${invariant}: expected ${expected}, found ${actual}`]
        .flat()
        .join(', '),
    )
  }
}
