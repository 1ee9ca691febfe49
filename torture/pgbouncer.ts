import { spawnSync } from 'node:child_process'
import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Client } from 'pg'
import { findFreePort } from '../src/harness/free-port.js'
import { isReachable } from '../test/support/is-reachable.js'
import { type KeptProcess, keepProcesses } from './kept-processes.js'

export type PoolMode = 'transaction' | 'session' | 'statement'

export interface PgbouncerOptions {
  /** @default 'transaction' */
  readonly poolMode?: PoolMode
  /** Connections to the server for each database. */
  readonly poolSize: number
}

/** PgBouncer in front of a server, on a port of its own. */
export interface Pgbouncer extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly address: string
  /** The URL of a database of the server, by way of it. */
  through(databaseUrl: string): string
  /** Runs a command of its console, such as PAUSE, and returns the rows of its answer. */
  command(text: string): Promise<Record<string, unknown>[]>
  /** Kills it with -9 and starts it again on the same port. */
  killAndRestart(): Promise<void>
}

const PROGRAMS = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer']
const START_LIMIT = 10_000
const ADMIN = 'torture'

/**
 * Finds PgBouncer, or installs Debian's where that needs nobody's leave.
 *
 * @returns its path; or undefined where there is none.
 */
export function findPgbouncer(): string | undefined {
  return locate() ?? (install() ? locate() : undefined)
}

function locate(): string | undefined {
  return PROGRAMS.find((program) => spawnSync(program, ['--version']).status === 0)
}

function install(): boolean {
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version']).status !== 0) return false
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Its service would take the port 6432, where somebody may have a PgBouncer of their own.
  const run = (...args: string[]) => spawnSync('apt-get', args, { env: { ...env, RUNLEVEL: '1' } }).status === 0
  return (
    run('install', '-y', '--no-install-recommends', 'pgbouncer') ||
    (run('update') && run('install', '-y', '--no-install-recommends', 'pgbouncer'))
  )
}

/** @param databaseUrl The server that it leads to, with the user and password that all of its clients become. */
export async function startPgbouncer(program: string, databaseUrl: string, options: PgbouncerOptions): Promise<Pgbouncer> {
  const kept = await keepProcesses()
  try {
    const port = await findFreePort()
    const configuration = join(kept.directory, 'pgbouncer.ini')
    await writeFile(configuration, describe(new URL(databaseUrl), port, options), { mode: 0o600 })
    if (kept.user) await chown(configuration, kept.user.uid, kept.user.gid)
    let running: KeptProcess
    const start = async () => {
      running = await kept.start(program, [configuration])
      await untilListening(port, running, kept.log)
    }
    await start()
    return {
      address: `127.0.0.1:${port}`,
      through: (url) => throughPort(url, port),
      command: (text) => ask(port, text),
      async killAndRestart() {
        running.kill('SIGKILL')
        await running.exited
        await start()
      },
      [Symbol.asyncDispose]: () => kept[Symbol.asyncDispose](),
    }
  } catch (error) {
    await kept[Symbol.asyncDispose]()
    throw error
  }
}

function describe(server: URL, port: number, { poolMode = 'transaction', poolSize }: PgbouncerOptions): string {
  const login = `user=${decodeURIComponent(server.username)} password=${decodeURIComponent(server.password)}`
  return [
    '[databases]',
    `* = host=${server.hostname} port=${server.port} ${login}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    // Whoever reaches it is the server's user: it is on this machine for the length of a run.
    'auth_type = any',
    `admin_users = ${ADMIN}`,
    `pool_mode = ${poolMode}`,
    `default_pool_size = ${poolSize}`,
    'max_client_conn = 2000',
    // Each transaction on another session than the last: whoever relies on one is found out at once.
    'server_round_robin = 1',
    'log_connections = 0',
    'log_disconnections = 0',
    'log_stats = 0',
    '',
  ].join('\n')
}

function throughPort(databaseUrl: string, port: number): string {
  const url = new URL(databaseUrl)
  url.hostname = '127.0.0.1'
  url.port = String(port)
  return url.href
}

async function untilListening(port: number, running: KeptProcess, log: () => string): Promise<void> {
  const until = performance.now() + START_LIMIT
  const state = { ended: false }
  void running.exited.then(() => (state.ended = true))
  while (!(await isReachable('127.0.0.1', port))) {
    if (state.ended || performance.now() > until) throw new Error(`PgBouncer did not start. Its last words: ${log().trim()}`)
    await setTimeout(5)
  }
}

async function ask(port: number, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ host: '127.0.0.1', port, user: ADMIN, database: 'pgbouncer' })
  // The console ends with the program, which is what some commands are for.
  client.on('error', () => undefined)
  await client.connect()
  try {
    const { rows } = await client.query<Record<string, unknown>>(text)
    return rows
  } finally {
    await client.end()
  }
}
