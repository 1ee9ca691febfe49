import pg from 'pg'
import { assertWithdrawn, balanceAfter, type Contestant, type Server, SQL } from '../contestant.js'

/** Prepared on each connection at its first use. */
const prepared = (name: keyof typeof SQL, ...values: unknown[]) => ({ name, text: SQL[name], values })

function connect({ url, pool: max }: Server, pipeline = false) {
  const pool = new pg.Pool({ connectionString: url, max, pipeline } as pg.PoolConfig)
  return { pool, close: () => pool.end() }
}

/** On a connection of its own, which is dropped where it may be inside a transaction. */
async function onConnection(pool: pg.Pool, run: (client: pg.PoolClient) => Promise<unknown>): Promise<void> {
  const client = await pool.connect()
  try {
    await run(client)
    client.release()
  } catch (error) {
    client.release(true)
    throw error
  }
}

export const pgFiveStatements: Contestant = {
  name: 'pg',
  kind: 'driver',
  open(server) {
    const { pool, close } = connect(server)
    const withdraw = (userId: number) =>
      onConnection(pool, async (client) => {
        await client.query('BEGIN')
        const { rows } = await client.query(prepared('lock', userId))
        const balance = balanceAfter(rows[0])
        await client.query(prepared('update', rows[0].id, balance))
        await client.query(prepared('insert', rows[0].id, balance))
        await client.query('COMMIT')
      })
    return { withdraw, close }
  },
}

export const pgPipelined: Contestant = {
  name: 'pg, pipelined',
  kind: 'driver',
  open(server) {
    const { pool, close } = connect(server, true)
    const withdraw = (userId: number) =>
      onConnection(pool, async (client) => {
        const [, { rows }] = await Promise.all([client.query('BEGIN'), client.query(prepared('lock', userId))])
        const balance = balanceAfter(rows[0])
        const changes = [client.query(prepared('update', rows[0].id, balance)), client.query(prepared('insert', rows[0].id, balance))]
        await Promise.all([...changes, client.query('COMMIT')])
      })
    return { withdraw, close }
  },
}

export const pgOneStatement: Contestant = {
  name: 'pg, one statement',
  kind: 'one statement',
  open(server) {
    const { pool, close } = connect(server)
    return { withdraw: async (userId) => assertWithdrawn((await pool.query(prepared('all', userId))).rows), close }
  },
}
