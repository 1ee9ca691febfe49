import postgres from 'postgres'

/** A single connection for statements about databases; closed when `work` has ended. */
export async function withConnection<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, fetch_types: false })
  try {
    return await work(sql)
  } finally {
    // Without a limit, postgres.js 3.4 waits for ever for a connection that was lost in mid-query.
    await sql.end({ timeout: 1 })
  }
}
