/** The limit: PostgreSQL's own load generator, in C, with as many clients as the others have connections. */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { quantile } from 'simple-statistics'
import type { Round } from '../../callers.js'
import { type Contestant, type Load, type Server, SQL } from '../contestant.js'

const run = promisify(execFile)
const PACKAGED = '/usr/lib/postgresql'
/** Transactions of a client, of which the first is not counted. */
const FEWEST = 5

/** Where it is, if anywhere. */
export const pgbench = findPgbench()

function findPgbench(): string | undefined {
  const versions = existsSync(PACKAGED) ? readdirSync(PACKAGED).map((version) => join(PACKAGED, version, 'bin')) : []
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...versions.sort().reverse()]
  return folders.map((folder) => join(folder, 'pgbench')).find((path) => existsSync(path))
}

/** pgbench's names for $1 and $2. */
const named = (sql: string, ...names: string[]) => `${sql.replace(/\$(\d)/g, (_, index) => `:${names[Number(index) - 1]!}`)}`

const USER = '\\set user random(1, :wallets)'
const FIVE = [
  USER,
  'BEGIN;',
  `${named(SQL.lock, 'user')} \\gset`,
  '\\set after :balance - 1',
  `${named(SQL.update, 'id', 'after')};`,
  `${named(SQL.insert, 'id', 'after')};`,
  'COMMIT;',
]
const SINGLE = [USER, `${named(SQL.all, 'user').replace(/\s+/g, ' ')};`]

export const pgbenchFive = limit('pgbench, five statements', FIVE)
export const pgbenchSingle = limit('pgbench, one statement', SINGLE)

function limit(name: string, script: readonly string[]): Contestant {
  return {
    name,
    kind: 'limit',
    async open(server) {
      const folder = await mkdtemp(join(tmpdir(), 'rowlock-pgbench-'))
      await writeFile(join(folder, 'script.sql'), `${script.join('\n')}\n`)
      // It counts its transactions or whole seconds: how many fit into the time, the round before tells.
      const rates = new Map<Load, number>()
      const round = async (load: Load, time: number) => {
        const clients = Math.min(server.pool, load.callers)
        const each = Math.max(FEWEST, Math.ceil(((rates.get(load) ?? 200) * time) / 1_000 / clients))
        const result = await runPgbench(server, folder, ['-c', clients, '-t', each, '-D', `wallets=${load.wallets}`])
        rates.set(load, result.rate)
        return result
      }
      return { round, close: () => rm(folder, { recursive: true }) }
    },
  }
}

async function runPgbench(server: Server, folder: string, options: readonly (string | number)[]): Promise<Round> {
  const url = new URL(server.url)
  const PGPASSWORD = decodeURIComponent(url.password)
  url.password = ''
  const fixed = ['-n', '-M', 'prepared', '-f', 'script.sql', '-l', '--log-prefix=latency']
  await run(pgbench!, [...fixed, ...options.map(String), url.href], { cwd: folder, env: { ...process.env, PGPASSWORD } })
  const all = await takeTransactions(folder)
  // In its first one a client prepares its statements, which the others have done in their warm-up.
  const begun = Math.max(...all.filter(({ isFirst }) => isFirst).map(({ ended }) => ended))
  const counted = all.filter(({ ended }) => ended > begun)
  const latencies = counted.map(({ latency }) => latency)
  return {
    rate: counted.length / (Math.max(...counted.map(({ ended }) => ended)) - begun),
    done: all.length,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  }
}

/** A line of its log is client, number of the transaction, microseconds, script, and when it ended, in seconds and microseconds. */
async function takeTransactions(folder: string) {
  const logs = (await readdir(folder)).filter((name) => name.startsWith('latency')).map((name) => join(folder, name))
  const lines = (await Promise.all(logs.map((log) => readFile(log, 'utf8')))).join('').trim().split('\n')
  await Promise.all(logs.map((log) => rm(log)))
  return lines.map((line) => {
    const [, number, latency, , seconds, microseconds] = line.split(' ').map(Number) as [number, number, number, number, number, number]
    return { isFirst: number <= 1, latency: latency / 1_000, ended: seconds + microseconds / 1e6 }
  })
}
