import knex from 'knex'
import { balanceAfter, type Contestant, PATIENCE } from '../contestant.js'

export const knexContestant: Contestant = {
  name: 'Knex',
  kind: 'query builder',
  open({ url, pool }) {
    const db = knex.default({ client: 'pg', connection: url, pool: { min: 0, max: pool }, acquireConnectionTimeout: PATIENCE })
    const withdraw = (userId: number) =>
      db.transaction(async (tx) => {
        const wallet = await tx('Wallet').select('id', 'balance').where({ userId }).forUpdate().first()
        const balance = balanceAfter(wallet)
        await tx('Wallet').where({ id: wallet.id }).update({ balance })
        await tx('WalletEntry').insert({ walletId: wallet.id, kind: 'WITHDRAWAL', amount: -1, balance })
      })
    return { withdraw, close: () => db.destroy() }
  },
}
