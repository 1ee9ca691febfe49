import postgres from 'postgres'
import { BALANCE } from './contestant.js'

export const WALLETS = 10_000

export interface Seed {
  /** Users 1 to this have one. Default: 10,000. */
  readonly wallets?: number
  /** Entries that are there before anybody withdraws: every second one is wallet 1's. Default: 0. */
  readonly history?: number
}

export async function seed(url: string, { wallets = WALLETS, history = 0 }: Seed = {}): Promise<void> {
  const sql = postgres(url, { max: 1 })
  await sql`INSERT INTO "User" ("id", "name") SELECT n, 'user ' || n FROM generate_series(1, ${wallets}::int) AS n`
  await sql`INSERT INTO "Wallet" ("userId", "balance") SELECT n, ${BALANCE}::int FROM generate_series(1, ${wallets}::int) AS n`
  if (history > 0) await seedHistory(sql, wallets, history)
  await sql`VACUUM ANALYZE`
  await sql.end()
}

/** A wallet's first entry is a credit, those after it withdrawals of 1, and the last one leaves what every wallet starts with. */
async function seedHistory(sql: postgres.Sql, wallets: number, history: number): Promise<void> {
  // Checked entry by entry, the foreign key would take longer than all the rest.
  const [key] = await sql<[{ definition: string }]>`
    SELECT pg_get_constraintdef("oid") AS "definition" FROM pg_constraint WHERE "conname" = 'WalletEntry_walletId_fkey'`
  await sql`ALTER TABLE "WalletEntry" DROP CONSTRAINT "WalletEntry_walletId_fkey"`
  await sql`
    INSERT INTO "WalletEntry" ("walletId", "kind", "amount", "balance")
    SELECT "wallet", (CASE "place" WHEN 1 THEN 'CREDIT' ELSE 'WITHDRAWAL' END)::"WalletEntryKind",
      CASE "place" WHEN 1 THEN ${BALANCE}::int + "entries" - 1 ELSE -1 END, ${BALANCE}::int + "entries" - "place"
    FROM generate_series(0, ${history}::int - 1) AS n,
      LATERAL (SELECT n / 2 AS "turn", ${history}::int / 2 AS "turns", ${wallets}::int - 1 AS "others") AS "dealt",
      LATERAL (SELECT
        CASE WHEN n % 2 = 0 THEN 1 ELSE 2 + "turn" % "others" END AS "wallet",
        CASE WHEN n % 2 = 0 THEN 1 + "turn" ELSE 1 + "turn" / "others" END AS "place",
        CASE WHEN n % 2 = 0 THEN ${history}::int - "turns" ELSE ("turns" - 1 - "turn" % "others") / "others" + 1 END AS "entries"
      ) AS "entry"`
  await sql.unsafe(`ALTER TABLE "WalletEntry" ADD CONSTRAINT "WalletEntry_walletId_fkey" ${key.definition}`)
}

/** @param history How many entries the seed wrote: those with a larger id are of the round. */
export function openLedger(url: string, history = 0) {
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  return {
    /** Every withdrawal has left its entry and its mark on a balance; all is put back for the next round. */
    async verify(contestant: string, withdrawals: number): Promise<void> {
      const [found] = await sql<[{ entries: number; wrong: number }]>`
        WITH "ledger" AS (
          SELECT "walletId", count(*) AS "entries", sum("amount") AS "amount", min("balance") AS "last", count(DISTINCT "balance") AS "balances"
          FROM "WalletEntry" WHERE "id" > ${history}::int GROUP BY "walletId"
        )
        SELECT coalesce(sum("entries"), 0)::int AS "entries", (count(*) FILTER (WHERE
          "balance" <> ${BALANCE}::int + coalesce("amount", 0) OR "balance" <> "last" OR "entries" <> "balances"))::int AS "wrong"
        FROM "Wallet" LEFT JOIN "ledger" ON "walletId" = "id"`
      if (found.entries !== withdrawals || found.wrong > 0) {
        throw new Error(`${contestant}: ${withdrawals} withdrawals left ${found.entries} entries, and ${found.wrong} wallets are wrong.`)
      }
      await sql`UPDATE "Wallet" SET "balance" = ${BALANCE}::int WHERE "balance" <> ${BALANCE}::int`
      if (history === 0) await sql`TRUNCATE "WalletEntry" CASCADE`
      else await sql`DELETE FROM "WalletEntry" WHERE "id" > ${history}::int`
      await sql`VACUUM (INDEX_CLEANUP ON) "Wallet", "WalletEntry"`
    },
    [Symbol.asyncDispose]: () => sql.end(),
  }
}
