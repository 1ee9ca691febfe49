import { DataSource, EntitySchema, type EntitySchemaColumnOptions } from 'typeorm'
import { balanceAfter, type Contestant } from '../contestant.js'

const id: EntitySchemaColumnOptions = { type: 'int', primary: true, generated: 'increment' }
const money: EntitySchemaColumnOptions = { type: 'numeric', precision: 18, scale: 2 }

const wallets = new EntitySchema<{ id: number; userId: number; balance: string }>({
  name: 'Wallet',
  tableName: 'Wallet',
  columns: { id, userId: { type: 'int' }, balance: money },
})
const entries = new EntitySchema<{ id: string; walletId: number; kind: string; amount: string; balance: string }>({
  name: 'WalletEntry',
  tableName: 'WalletEntry',
  columns: {
    id: { ...id, type: 'bigint' },
    walletId: { type: 'int' },
    kind: { type: 'enum', enum: ['CREDIT', 'WITHDRAWAL'], enumName: 'WalletEntryKind' },
    amount: money,
    balance: money,
  },
})

export const typeormContestant: Contestant = {
  name: 'TypeORM',
  kind: 'orm',
  async open({ url, pool }) {
    const db = await new DataSource({ type: 'postgres', url, poolSize: pool, entities: [wallets, entries] }).initialize()
    const withdraw = (userId: number) =>
      db.transaction(async (tx) => {
        const wallet = await tx.findOneOrFail(wallets, { where: { userId }, lock: { mode: 'pessimistic_write' } })
        const balance = balanceAfter(wallet)
        await tx.update(wallets, { id: wallet.id }, { balance })
        await tx.insert(entries, { walletId: wallet.id, kind: 'WITHDRAWAL', amount: '-1', balance })
      })
    return { withdraw, close: () => db.destroy() }
  },
}
