import { type Generated, Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { balanceAfter, type Contestant } from '../contestant.js'

interface Tables {
  Wallet: { id: Generated<number>; userId: number; balance: string }
  WalletEntry: { walletId: number; kind: 'CREDIT' | 'WITHDRAWAL'; amount: number; balance: string }
}

export const kyselyContestant: Contestant = {
  name: 'Kysely',
  kind: 'query builder',
  open({ url, pool: max }) {
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max }) }) })
    const withdraw = (userId: number) =>
      db.transaction().execute(async (tx) => {
        const locked = tx.selectFrom('Wallet').select(['id', 'balance']).where('userId', '=', userId).forUpdate()
        const wallet = await locked.executeTakeFirstOrThrow()
        const balance = balanceAfter(wallet)
        await tx.updateTable('Wallet').set({ balance }).where('id', '=', wallet.id).execute()
        await tx.insertInto('WalletEntry').values({ walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance }).execute()
      })
    return { withdraw, close: () => db.destroy() }
  },
}
