import { type Anomaly, type Item, valueOf } from './anomaly.js'

/** What the one snapshot of REPEATABLE READ prevents, and its refusal to write on top of a newer row. */
export const skewAnomalies: readonly Anomaly[] = [
  {
    name: 'PMP',
    title: 'predicate-many-preceders: a second predicate finds a row that the first one should have found',
    allowedAt: ['ReadCommitted'],
    transactions: {
      t1: async (sql) => [await sql.read('value = 30'), await sql.read('value % 3 = 0')],
      t2: (sql) => sql.write('INSERT INTO item (id, value) VALUES (3, 30)'),
    },
    happened: ({ returned }) => returned('t1')?.[0].length === 0 && returned('t1')[1].length === 1,
  },
  {
    name: 'PMP, write predicate',
    title: 'a DELETE removes neither the rows that match before an UPDATE nor those that match after it',
    allowedAt: ['ReadCommitted'],
    transactions: {
      t1: (sql) => sql.write('UPDATE item SET value = value + 10'),
      t2: (sql) => sql.write('DELETE FROM item WHERE value = 20'),
    },
    happened: ({ returned, rows }) => returned('t1') !== undefined && returned('t2') !== undefined && rows.length === 2,
  },
  {
    name: 'P4',
    title: 'lost update: of two increments, each from what it has read, one is left',
    allowedAt: ['ReadCommitted'],
    transactions: {
      t1: async (sql) => sql.write(`UPDATE item SET value = ${(await sql.read('id = 1'))[0]!.value + 1} WHERE id = 1`),
      t2: async (sql) => sql.write(`UPDATE item SET value = ${(await sql.read('id = 1'))[0]!.value + 5} WHERE id = 1`),
    },
    happened: ({ returned, rows }) => returned('t1') !== undefined && returned('t2') !== undefined && valueOf(rows, 1) !== 16,
  },
  {
    name: 'G-single',
    title: 'read skew: of two rows that are written together, one is read before and one after',
    allowedAt: ['ReadCommitted'],
    transactions: {
      t1: async (sql) => [...(await sql.read('id = 1')), ...(await sql.read('id = 2'))],
      t2: async (sql) => {
        await sql.read()
        await sql.write('UPDATE item SET value = 12 WHERE id = 1')
        await sql.write('UPDATE item SET value = 18 WHERE id = 2')
      },
    },
    happened: ({ returned }) => returned('t1') !== undefined && sumOf(returned('t1')) !== 30,
  },
  {
    name: 'G-single, predicate dependencies',
    title: 'a row is found by two predicates, although none of its values fulfils both',
    allowedAt: ['ReadCommitted'],
    transactions: {
      t1: async (sql) => [await sql.read('value % 5 = 0'), await sql.read('value % 3 = 0')],
      t2: (sql) => sql.write('UPDATE item SET value = 12 WHERE value = 10'),
    },
    happened: ({ returned }) => returned('t1')?.[0].length === 2 && returned('t1')[1].length === 1,
  },
  {
    name: 'G-single, write predicate 1',
    title: 'a DELETE misses the row whose old value fulfils its predicate, after a read of old values',
    allowedAt: ['ReadCommitted'],
    transactions: {
      t1: async (sql) => [await sql.read('id = 1'), await sql.write('DELETE FROM item WHERE value = 20')],
      t2: async (sql) => {
        await sql.read()
        await sql.write('UPDATE item SET value = 12 WHERE id = 1')
        await sql.write('UPDATE item SET value = 18 WHERE id = 2')
      },
    },
    happened: ({ returned }) => returned('t1')?.[0][0].value === 10 && returned('t1')[1] === 0,
  },
  {
    name: 'G-single, write predicate 2',
    title: 'an UPDATE that waits for a DELETE misses the row, although the DELETE is rolled back',
    allowedAt: [],
    transactions: {
      t1: async (sql) => {
        await sql.read('id = 1')
        await sql.write('DELETE FROM item WHERE value = 20')
        sql.abort()
      },
      t2: async (sql) => {
        await sql.read()
        await sql.write('UPDATE item SET value = 12 WHERE id = 1')
        return sql.write('UPDATE item SET value = 18 WHERE id = 2')
      },
    },
    happened: ({ returned, rows }) => returned('t2') !== undefined && (valueOf(rows, 1) !== 12 || valueOf(rows, 2) !== 18),
  },
]

const sumOf = (items: readonly Item[]): number => items.reduce((sum, { value }) => sum + value, 0)
