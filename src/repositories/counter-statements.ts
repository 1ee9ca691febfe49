import { MAX_INT } from './input-checks.js'
import { columns, type StatementTemplate, WITHIN_LOCK_TIMEOUT } from './one-statement.js'

type OfCount = (count: string) => string

/** `$1` is the company's name and `$2` the count, in all three. */
export const SET_COUNT = change(() => '$2')

export const INCREMENT_COUNT = change(
  (count) => `${count} + $2`,
  (count) => `${count} <= ${MAX_INT} - $2`,
)

export const DECREMENT_COUNT = change(
  (count) => `${count} - $2`,
  (count) => `${count} >= $2`,
)

/** The guard is the row's lock, too: after a wait PostgreSQL decides anew, on what the holder left. */
function change(value: OfCount, guard: OfCount = () => 'true'): StatementTemplate {
  return {
    subject: 'the change of the count',
    model: 'Company',
    writes: ['Company'],
    render(table) {
      const company = table('Company')
      const count = `"c".${company.count}`
      return `UPDATE ${company.$table} AS "c" SET ${company.count} = ${value(count)}
        WHERE "c".${company.name} = $1 AND ${guard(count)} AND ${WITHIN_LOCK_TIMEOUT} RETURNING ${columns(company, 'c', ['name', 'count'])}`
    },
  }
}
