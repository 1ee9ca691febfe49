import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { bigserial, integer, numeric, pgEnum, pgTable, serial } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { balanceAfter, type Contestant } from '../contestant.js'

const money = () => numeric({ precision: 18, scale: 2 }).notNull()
const kinds = pgEnum('WalletEntryKind', ['CREDIT', 'WITHDRAWAL'])
const wallets = pgTable('Wallet', { id: serial().primaryKey(), userId: integer().notNull(), balance: money() })
const entries = pgTable('WalletEntry', {
  id: bigserial({ mode: 'bigint' }).primaryKey(),
  walletId: integer().notNull(),
  kind: kinds().notNull(),
  amount: money(),
  balance: money(),
})

export const drizzleContestant: Contestant = {
  name: 'Drizzle',
  kind: 'orm',
  open({ url, pool: max }) {
    const pool = new pg.Pool({ connectionString: url, max })
    const db = drizzle(pool)
    const withdraw = (userId: number) =>
      db.transaction(async (tx) => {
        const [wallet] = await tx.select().from(wallets).where(eq(wallets.userId, userId)).for('update')
        const balance = balanceAfter(wallet)
        await tx.update(wallets).set({ balance }).where(eq(wallets.id, wallet!.id))
        await tx.insert(entries).values({ walletId: wallet!.id, kind: 'WITHDRAWAL', amount: '-1', balance })
      })
    return { withdraw, close: () => pool.end() }
  },
}
