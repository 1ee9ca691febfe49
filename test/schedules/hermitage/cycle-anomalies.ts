import { type Anomaly, valueOf } from './anomaly.js'

/** What only SERIALIZABLE prevents, by refusing one of the transactions. */
export const cycleAnomalies: readonly Anomaly[] = [
  {
    name: 'G2-item',
    title: 'write skew: each of two transactions reads the row that the other one then writes',
    allowedAt: ['ReadCommitted', 'RepeatableRead'],
    transactions: {
      t1: async (sql) => {
        const seen = await sql.read('id IN (1, 2)')
        await sql.write('UPDATE item SET value = 11 WHERE id = 1')
        return valueOf(seen, 2)
      },
      t2: async (sql) => {
        const seen = await sql.read('id IN (1, 2)')
        await sql.write('UPDATE item SET value = 21 WHERE id = 2')
        return valueOf(seen, 1)
      },
    },
    happened: ({ returned }) => returned('t1') === 20 && returned('t2') === 10,
  },
  {
    name: 'G2',
    title: 'anti-dependency cycle: each of two transactions finds nothing, and inserts what the other looked for',
    allowedAt: ['ReadCommitted', 'RepeatableRead'],
    transactions: {
      t1: async (sql) => {
        const seen = await sql.read('value % 3 = 0')
        await sql.write('INSERT INTO item (id, value) VALUES (3, 30)')
        return seen.length
      },
      t2: async (sql) => {
        const seen = await sql.read('value % 3 = 0')
        await sql.write('INSERT INTO item (id, value) VALUES (4, 42)')
        return seen.length
      },
    },
    happened: ({ returned }) => returned('t1') === 0 && returned('t2') === 0,
  },
  {
    name: 'G2, two anti-dependency edges',
    title: 'a transaction that only reads sees a state that no serial order of the two others has (Fekete)',
    allowedAt: ['ReadCommitted', 'RepeatableRead'],
    transactions: {
      t1: async (sql) => {
        const seen = await sql.read()
        await sql.write('UPDATE item SET value = 0 WHERE id = 1')
        return seen
      },
      t2: (sql) => sql.write('UPDATE item SET value = value + 5 WHERE id = 2'),
      t3: (sql) => sql.read(),
    },
    happened: ({ returned }) =>
      returned('t1') !== undefined &&
      returned('t3') !== undefined &&
      valueOf(returned('t1'), 2) === 20 &&
      valueOf(returned('t3'), 1) === 10 &&
      valueOf(returned('t3'), 2) === 25,
  },
]
