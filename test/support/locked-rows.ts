import type postgres from 'postgres'

/**
 * The ids of a table's rows that cannot be locked FOR UPDATE right now: PostgreSQL's own word on what is
 * locked, as the probe leaves out exactly the rows that someone holds.
 */
export async function lockedRows(sql: postgres.Sql, table: string, id = 'id'): Promise<number[]> {
  let locked: number[] = []
  await sql.begin(async (tx) => {
    const all = await tx.unsafe<{ id: number }[]>(`SELECT ${id} AS id FROM ${table} ORDER BY 1`)
    const free = await tx.unsafe<{ id: number }[]>(`SELECT ${id} AS id FROM ${table} FOR UPDATE SKIP LOCKED`)
    const freeIds = new Set(free.map((row) => row.id))
    locked = all.map((row) => row.id).filter((value) => !freeIds.has(value))
  })
  return locked
}
