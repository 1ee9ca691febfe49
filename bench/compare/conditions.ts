import { cpus } from 'node:os'
import postgres from 'postgres'
import type { Database } from 'rowlock/testing'

export async function describeServer(database: Pick<Database, 'url' | 'source'>): Promise<string> {
  const sql = postgres(database.url, { max: 1 })
  const [row] =
    await sql`SELECT current_setting('server_version') AS version, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit`
  await sql.end()
  const { version, fsync, commit } = row as unknown as Record<'version' | 'fsync' | 'commit', string>
  const durable = fsync === 'on' && commit !== 'off' ? 'commits are durable' : 'COMMITS ARE NOT DURABLE'
  return `PostgreSQL ${version} (${database.source}): ${durable} (fsync ${fsync}, synchronous_commit ${commit})`
}

/** @param load The machine's, before anything of ours ran. */
export const describeMachine = (load: number) => `${cpus().length} processors, load ${load.toFixed(1)} before; Node ${process.version}`

/** Where it is, for who waits; the tables go to standard output. */
export function onProgress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what}`)
}
