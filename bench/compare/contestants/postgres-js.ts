import postgres from 'postgres'
import { assertWithdrawn, balanceAfter, type Contestant, type Server, SQL } from '../contestant.js'

function connect({ url, pool }: Server) {
  const sql = postgres(url, { max: pool })
  return { sql, close: () => sql.end() }
}

const prepare = { prepare: true }

export const postgresJs: Contestant = {
  name: 'postgres.js',
  kind: 'driver',
  open(server) {
    const { sql, close } = connect(server)
    const withdraw = (userId: number) =>
      sql.begin(async (tx) => {
        const [wallet] = await tx.unsafe(SQL.lock, [userId], prepare)
        const balance = balanceAfter(wallet as { balance: unknown } | undefined)
        await tx.unsafe(SQL.update, [wallet!['id'], balance], prepare)
        await tx.unsafe(SQL.insert, [wallet!['id'], balance], prepare)
      })
    return { withdraw, close }
  },
}

export const postgresJsOneStatement: Contestant = {
  name: 'postgres.js, one statement',
  kind: 'one statement',
  open(server) {
    const { sql, close } = connect(server)
    return { withdraw: async (userId) => assertWithdrawn(await sql.unsafe(SQL.all, [userId], prepare)), close }
  },
}
