import { EntitySchema, LockMode } from '@mikro-orm/core'
import { EntityCaseNamingStrategy, MikroORM } from '@mikro-orm/postgresql'
import { balanceAfter, type Contestant, PATIENCE } from '../contestant.js'

const wallets = new EntitySchema<{ id: number; userId: number; balance: string }>({
  name: 'Wallet',
  properties: { id: { type: 'integer', primary: true }, userId: { type: 'integer' }, balance: { type: 'decimal', runtimeType: 'string' } },
})
const entries = new EntitySchema<{ id: string; walletId: number; kind: string; amount: string; balance: string }>({
  name: 'WalletEntry',
  properties: {
    id: { type: 'bigint', primary: true },
    walletId: { type: 'integer' },
    kind: { type: 'string' },
    amount: { type: 'decimal', runtimeType: 'string' },
    balance: { type: 'decimal', runtimeType: 'string' },
  },
})

export const mikroOrmContestant: Contestant = {
  name: 'MikroORM',
  kind: 'orm',
  async open({ url, pool }) {
    const orm = await MikroORM.init({
      clientUrl: url,
      entities: [wallets, entries],
      namingStrategy: EntityCaseNamingStrategy,
      pool: { min: 0, max: pool, acquireTimeoutMillis: PATIENCE },
    })
    const withdraw = (userId: number) =>
      orm.em.fork().transactional(async (em) => {
        const wallet = await em.findOneOrFail(wallets, { userId }, { lockMode: LockMode.PESSIMISTIC_WRITE })
        wallet.balance = balanceAfter(wallet)
        // Both are written when the transaction ends.
        em.create(entries, { walletId: wallet.id, kind: 'WITHDRAWAL', amount: '-1', balance: wallet.balance })
      })
    return { withdraw, close: () => orm.close() }
  },
}
