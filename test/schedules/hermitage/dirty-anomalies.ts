import { type Anomaly, type Item, valueOf } from './anomaly.js'

/** What READ COMMITTED prevents already. */
export const dirtyAnomalies: readonly Anomaly[] = [
  {
    name: 'G0',
    title: 'write cycle: of two transactions that write the same two rows, each wins one',
    allowedAt: [],
    transactions: {
      t1: async (sql) => {
        await sql.write('UPDATE item SET value = 11 WHERE id = 1')
        await sql.write('UPDATE item SET value = 21 WHERE id = 2')
      },
      t2: async (sql) => {
        await sql.write('UPDATE item SET value = 12 WHERE id = 1')
        await sql.write('UPDATE item SET value = 22 WHERE id = 2')
      },
    },
    happened: ({ rows }) => valueOf(rows, 1)! % 10 !== valueOf(rows, 2)! % 10,
  },
  {
    name: 'G1a',
    title: 'aborted read: a value is read whose writer is rolled back',
    allowedAt: [],
    transactions: {
      t1: async (sql) => {
        await sql.write('UPDATE item SET value = 101 WHERE id = 1')
        sql.abort()
      },
      t2: async (sql) => [...(await sql.read()), ...(await sql.read())],
    },
    happened: ({ returned }) => (returned('t2') as Item[] | undefined)?.some(({ value }) => value === 101) ?? false,
  },
  {
    name: 'G1b',
    title: 'intermediate read: a value is read that its writer replaces before it commits',
    allowedAt: [],
    transactions: {
      t1: async (sql) => {
        await sql.write('UPDATE item SET value = 101 WHERE id = 1')
        await sql.write('UPDATE item SET value = 11 WHERE id = 1')
      },
      t2: async (sql) => [...(await sql.read()), ...(await sql.read())],
    },
    happened: ({ returned }) => (returned('t2') as Item[] | undefined)?.some(({ value }) => value === 101) ?? false,
  },
  {
    name: 'G1c',
    title: 'circular information flow: each of two transactions reads what the other writes',
    allowedAt: [],
    transactions: {
      t1: async (sql) => {
        await sql.write('UPDATE item SET value = 11 WHERE id = 1')
        return sql.read('id = 2')
      },
      t2: async (sql) => {
        await sql.write('UPDATE item SET value = 22 WHERE id = 2')
        return sql.read('id = 1')
      },
    },
    happened: ({ returned }) => returned('t1')?.[0].value === 22 && returned('t2')?.[0].value === 11,
  },
  {
    name: 'OTV',
    title: 'observed transaction vanishes: what was read of a transaction is older at the next read',
    allowedAt: [],
    transactions: {
      t1: async (sql) => {
        await sql.write('UPDATE item SET value = 11 WHERE id = 1')
        await sql.write('UPDATE item SET value = 19 WHERE id = 2')
      },
      t2: async (sql) => {
        await sql.write('UPDATE item SET value = 12 WHERE id = 1')
        await sql.write('UPDATE item SET value = 18 WHERE id = 2')
      },
      t3: async (sql) => [...(await sql.read('id = 1')), ...(await sql.read('id = 2'))],
    },
    happened: ({ returned, rows }) => {
      const seen = ((returned('t3') ?? []) as Item[]).map(({ value }) => writerOf(value))
      const last = writerOf(valueOf(rows, 1)!)
      const age = (writer: number) => (writer === 0 ? 0 : writer === last ? 2 : 1)
      return seen.length === 2 && age(seen[1]!) < age(seen[0]!)
    },
  },
]

/** Which transaction of OTV wrote a value; 0 for the first values. */
const writerOf = (value: number): number => (value === 11 || value === 19 ? 1 : value === 12 || value === 18 ? 2 : 0)
