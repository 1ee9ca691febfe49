import assert from 'node:assert'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { locateBinaries, prepareBinaries } from '../src/harness/embedded-binaries.js'
import { findFreePort } from '../src/harness/free-port.js'
import { withConnection } from '../src/harness/with-connection.js'
import { type KeptProcess, type KeptProcesses, keepProcesses } from './kept-processes.js'

/** A PostgreSQL server whose commits are on disk before they are confirmed, to be killed and started again. */
export interface KeptServer extends AsyncDisposable {
  /** Its maintenance database. */
  readonly url: string
  /** Kills it with -9, all of its processes at once, and resolves when none is left. */
  kill(): Promise<void>
  /** Starts it, after a kill on the same data and port. Resolves when it answers. */
  start(): Promise<void>
}

const SUPERUSER = 'postgres'
const LIMIT = 60_000

export async function startKeptServer(settings: Readonly<Record<string, string>> = {}): Promise<KeptServer> {
  const kept = await keepProcesses()
  try {
    const server = new Server(
      kept,
      join(await prepareBinaries(locateBinaries(), kept.directory, kept.user), 'bin'),
      await findFreePort(),
      settings,
    )
    await server.initialize()
    await server.start()
    return server
  } catch (error) {
    await kept[Symbol.asyncDispose]()
    throw error
  }
}

class Server implements KeptServer {
  readonly url: string
  readonly #kept: KeptProcesses
  readonly #binaries: string
  readonly #data: string
  readonly #settings: Readonly<Record<string, string>>
  readonly #password = randomBytes(16).toString('hex')
  #process: KeptProcess | undefined

  constructor(kept: KeptProcesses, binaries: string, port: number, settings: Readonly<Record<string, string>>) {
    this.#kept = kept
    this.#binaries = binaries
    this.#data = join(kept.directory, 'data')
    this.url = `postgresql://${SUPERUSER}:${this.#password}@127.0.0.1:${port}/postgres`
    this.#settings = {
      port: String(port),
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      // In the data folder: what a killed server leaves of it goes with the data.
      dynamic_shared_memory_type: 'mmap',
      // Of the whole file system at once: a server that comes back flushes all of its files before anything else.
      recovery_init_sync_method: process.platform === 'linux' ? 'syncfs' : 'fsync',
      shared_buffers: '32MB',
      autovacuum: 'off',
      timezone: 'UTC',
      lc_messages: 'C',
      ...settings,
    }
  }

  async initialize(): Promise<void> {
    const passwordFile = join(this.#kept.directory, 'password')
    await writeFile(passwordFile, this.#password, { mode: 0o600 })
    if (this.#kept.user) await chown(passwordFile, this.#kept.user.uid, this.#kept.user.gid)
    const initdb = await this.#kept.start(join(this.#binaries, 'initdb'), [
      `--pgdata=${this.#data}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
      '-c',
      'scram_iterations=1',
    ])
    await initdb.exited
  }

  async start(): Promise<void> {
    const flags = Object.entries(this.#settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')))
    this.#process = await this.#kept.start(join(this.#binaries, 'postgres'), ['-D', this.#data, ...flags], {
      ...env,
      LC_ALL: 'C',
      TZ: 'UTC',
    })
    const answered = await until(() => withConnection(this.url, (sql) => sql`SELECT 1`))
    if (!answered) throw new Error(`The server did not answer within ${LIMIT} ms. Its last words: ${this.#kept.log().slice(-2_000)}`)
  }

  /** A postmaster that dies alone is noticed by its children, who may commit before they end. */
  async kill(): Promise<void> {
    const { pid, exited, kill } = this.#process!
    const segment = await this.#sharedMemory()
    kill('SIGSTOP')
    const all = [...childrenOf(pid), pid]
    for (const victim of all) signal(victim, 'SIGKILL')
    await exited
    if (!(await until(() => assertGone(all)))) throw new Error('Processes of the server have survived a kill -9.')
    // A server that was shut down takes it away, and one that was killed cannot give its memory back.
    if (!existsSync(join(this.#data, 'postmaster.pid'))) throw new Error('The server was shut down and not killed.')
    if (segment !== undefined) spawnSync('ipcrm', ['-m', segment])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kept[Symbol.asyncDispose]()
  }

  /** The seventh line of postmaster.pid names the segment that the server has from the operating system. */
  async #sharedMemory(): Promise<string | undefined> {
    const lines = (await readFile(join(this.#data, 'postmaster.pid'), 'utf8')).split('\n')
    return lines[6]?.trim().split(/\s+/)[1]
  }
}

function childrenOf(pid: number): number[] {
  return spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(Boolean)
    .map(Number)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It was quicker.
  }
}

/** A zombie is gone, however long its new parent takes to notice. */
async function assertGone(pids: readonly number[]): Promise<void> {
  const states = spawnSync('ps', ['-o', 'state=', '-p', pids.join(',')], { encoding: 'utf8' }).stdout
  assert.match(states, /^(?:Z\S*|\s)*$/)
}

/** Asks until it does not fail. */
async function until(ask: () => Promise<unknown>): Promise<boolean> {
  for (const deadline = performance.now() + LIMIT; performance.now() < deadline; await setTimeout(10)) {
    try {
      await ask()
      return true
    } catch {
      // Not yet.
    }
  }
  return false
}
