import { quoteIdentifier } from '../sql/identifier.js'
import type { KeyColumn, Observed, ObservedWait } from './observed-sessions.js'
import type { RunQuery } from './run-query.js'

/** The values of a primary key, by column. */
export type RowKey = Readonly<Record<string, unknown>>

/** A wait for a row of a table with a key that can be read. */
interface RowWait extends ObservedWait {
  readonly schema: string
  readonly table: string
  readonly key: readonly KeyColumn[]
}

/** Where a row is, for all tables. */
export const placeOf = ({ relation, page, tuple }: ObservedWait): string => `${relation} (${page},${tuple})`

/**
 * The keys of the rows that are waited for, by {@link placeOf}. A row that is not to be seen has none: of a table that is itself
 * locked or gone, or hidden by its policies, or a row that was committed away or updated meanwhile.
 */
export async function readRowKeys(run: RunQuery, { sessions }: Observed): Promise<ReadonlyMap<string, RowKey>> {
  const tables = new Map<number, RowWait[]>()
  for (const { wait } of sessions) {
    if (!wait || !isRowWait(wait)) continue
    tables.set(wait.relation!, [...(tables.get(wait.relation!) ?? []), wait])
  }
  const keys = await Promise.all([...tables.values()].map((waits) => readKeysOfTable(run, waits).catch(() => [])))
  return new Map(keys.flat())
}

const isRowWait = (wait: ObservedWait): wait is RowWait => wait.page !== null && wait.key !== null && wait.readable === true

async function readKeysOfTable(run: RunQuery, waits: readonly RowWait[]): Promise<[string, RowKey][]> {
  const { relation, schema, table, key } = waits[0]!
  const places = [...new Set(waits.map(({ page, tuple }) => `'(${page},${tuple})'`))]
  const columns = key.map(({ column }) => `${quoteIdentifier(column)}::text`)
  const [row] = await run(
    `SELECT coalesce(json_agg(json_build_array(ctid, ${columns.join(', ')})), '[]')::text AS json ` +
      `FROM ${quoteIdentifier(schema)}.${quoteIdentifier(table)} WHERE ctid = ANY (ARRAY[${places.join(', ')}]::tid[])`,
  )
  const found = JSON.parse(row!.json) as [place: string, ...values: string[]][]
  return found.map(([place, ...values]) => [
    `${relation} ${place}`,
    Object.fromEntries(key.map(({ column, type }, index) => [column, toValue(values[index]!, type)])),
  ])
}

function toValue(text: string, type: string): unknown {
  if (type === 'bigint') return BigInt(text)
  return type === 'integer' || type === 'smallint' ? Number(text) : text
}
