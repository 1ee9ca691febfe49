import { DataTypes, Sequelize } from 'sequelize'
import { balanceAfter, type Contestant, PATIENCE } from '../contestant.js'

const money = DataTypes.DECIMAL(18, 2)

export const sequelizeContestant: Contestant = {
  name: 'Sequelize',
  kind: 'orm',
  open({ url, pool }) {
    const db = new Sequelize(url, { logging: false, pool: { max: pool, acquire: PATIENCE } })
    const tables = { timestamps: false, freezeTableName: true }
    const wallets = db.define('Wallet', { userId: DataTypes.INTEGER, balance: money }, tables)
    const entries = db.define(
      'WalletEntry',
      { walletId: DataTypes.INTEGER, kind: DataTypes.ENUM('CREDIT', 'WITHDRAWAL'), amount: money, balance: money },
      tables,
    )
    const withdraw = (userId: number) =>
      db.transaction(async (transaction) => {
        const wallet = await wallets.findOne({ where: { userId }, lock: transaction.LOCK.UPDATE, transaction, rejectOnEmpty: true })
        const balance = balanceAfter({ balance: wallet.get('balance') })
        await wallet.update({ balance }, { transaction })
        await entries.create({ walletId: wallet.get('id'), kind: 'WITHDRAWAL', amount: -1, balance }, { transaction })
      })
    return { withdraw, close: () => db.close() }
  },
}
