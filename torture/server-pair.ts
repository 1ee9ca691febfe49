import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type postgres from 'postgres'
import { locateBinaries, prepareBinaries } from '../src/harness/embedded-binaries.js'
import { findFreePort } from '../src/harness/free-port.js'
import { withConnection } from '../src/harness/with-connection.js'
import { type KeptProcess, type KeptProcesses, keepProcesses } from './kept-processes.js'

/** A primary and its standby, each with its own data and its own port; they change places when the primary dies. */
export interface ServerPair extends AsyncDisposable {
  readonly port: number
  /** The primary's maintenance database. */
  readonly url: string
  /**
   * Makes every commit wait for the standby's disk, on both servers for good: also the promoted one then confirms
   * nothing until it has a standby again, so that there is never a commit on one server only.
   */
  beSynchronous(): Promise<void>
  /** Cuts the standby off: it gets nothing more of what the primary commits. */
  cutStandbyOff(): Promise<void>
  /** Kills the primary with -9, all of its processes at once, and promotes the standby. */
  failOver(): Promise<void>
  /** Makes a new standby out of a copy of the primary while that goes on. Resolves once it follows. */
  addStandby(): Promise<void>
}

interface Node {
  readonly name: string
  readonly port: number
  readonly data: string
  process?: KeptProcess
}

const SUPERUSER = 'postgres'
const STANDBY = 'standby'
const LIMIT = 30_000

export async function startServerPair(): Promise<ServerPair> {
  const kept = await keepProcesses()
  try {
    const binaries = await prepareBinaries(locateBinaries(), kept.directory, kept.user)
    const pair = new Pair(kept, join(binaries, 'bin'), await createNode(kept, 'a'), await createNode(kept, 'b'))
    await pair.start()
    return pair
  } catch (error) {
    await kept[Symbol.asyncDispose]()
    throw error
  }
}

async function createNode({ directory }: KeptProcesses, name: string): Promise<Node> {
  return { name, port: await findFreePort(), data: join(directory, name) }
}

class Pair implements ServerPair {
  readonly #kept: KeptProcesses
  readonly #binaries: string
  readonly #password = randomBytes(16).toString('hex')
  #primary: Node
  #other: Node

  constructor(kept: KeptProcesses, binaries: string, primary: Node, other: Node) {
    this.#kept = kept
    this.#binaries = binaries
    this.#primary = primary
    this.#other = other
  }

  get port(): number {
    return this.#primary.port
  }

  get url(): string {
    return this.#urlOf(this.#primary)
  }

  async start(): Promise<void> {
    await this.#initialize(this.#primary)
    await this.#run(this.#primary)
    await this.addStandby()
  }

  async beSynchronous(): Promise<void> {
    for (const node of [this.#other, this.#primary]) {
      await withConnection(this.#urlOf(node), async (sql) => {
        await sql.unsafe(`ALTER SYSTEM SET synchronous_standby_names = '${STANDBY}'`)
        await sql`SELECT pg_reload_conf()`
      })
    }
    await this.#untilFollowing('sync')
  }

  async cutStandbyOff(): Promise<void> {
    await withConnection(this.#urlOf(this.#other), async (sql) => {
      await sql.unsafe(`ALTER SYSTEM SET primary_conninfo = ''`)
      await sql`SELECT pg_reload_conf()`
      await until('the standby is cut off', async () => (await sql`SELECT FROM pg_stat_wal_receiver`).length === 0)
    })
  }

  async failOver(): Promise<void> {
    const dead = this.#primary
    await this.#killAtOnce(dead)
    await withConnection(this.#urlOf(this.#other), async (sql) => {
      const [row] = await sql<[{ promoted: boolean }]>`SELECT pg_promote(true, ${LIMIT / 1_000}::int) AS promoted`
      if (!row.promoted) throw new Error(`The standby was not promoted within ${LIMIT} ms.`)
    })
    this.#primary = this.#other
    this.#other = dead
  }

  async addStandby(): Promise<void> {
    await rm(this.#other.data, { recursive: true, force: true })
    await withConnection(this.url, (sql) => this.#copy(sql))
    const conninfo = `host=127.0.0.1 port=${this.port} user=${SUPERUSER} password=${this.#password} application_name=${STANDBY}`
    await this.#write(this.#other, 'standby.signal', '')
    // The last line of a setting wins.
    const inherited = await readFile(join(this.#other.data, 'postgresql.auto.conf'), 'utf8')
    await this.#write(this.#other, 'postgresql.auto.conf', `${inherited}\nprimary_conninfo = '${conninfo}'\n`)
    await this.#run(this.#other)
    await this.#untilFollowing()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kept[Symbol.asyncDispose]()
  }

  /**
   * A base backup of a server that is at work, by PostgreSQL's low-level interface: pg_basebackup is not among the
   * embedded programs.
   *
   * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
   */
  async #copy(sql: postgres.Sql): Promise<void> {
    await sql`SELECT pg_backup_start('standby', true)`
    await cp(this.#primary.data, this.#other.data, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => belongsToBackup(relative(this.#primary.data, path)),
    })
    const [stop] = await sql<[{ labelfile: string }]>`SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)`
    const { user } = this.#kept
    if (user) spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, this.#other.data])
    await this.#write(this.#other, 'backup_label', stop.labelfile)
  }

  async #initialize(node: Node): Promise<void> {
    const passwordFile = join(this.#kept.directory, 'password')
    await writeFile(passwordFile, this.#password, { mode: 0o600 })
    if (this.#kept.user) await chown(passwordFile, this.#kept.user.uid, this.#kept.user.gid)
    const initdb = await this.#kept.start(join(this.#binaries, 'initdb'), [
      `--pgdata=${node.data}`,
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

  async #run(node: Node): Promise<void> {
    const settings = {
      port: node.port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      // In the data folder: what a killed server leaves of its shared memory goes with it.
      dynamic_shared_memory_type: 'mmap',
      // Of the whole file system at once: a standby that starts from a copy flushes all of its files before anything else.
      recovery_init_sync_method: process.platform === 'linux' ? 'syncfs' : 'fsync',
      shared_buffers: '32MB',
      max_connections: 100,
      wal_level: 'replica',
      hot_standby: 'on',
      // What the primary writes while its data is being copied, the standby asks for when it starts.
      wal_keep_size: '1GB',
      wal_retrieve_retry_interval: '100ms',
      autovacuum: 'off',
      timezone: 'UTC',
      lc_messages: 'C',
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')))
    node.process = await this.#kept.start(join(this.#binaries, 'postgres'), ['-D', node.data, ...flags], { ...env, LC_ALL: 'C', TZ: 'UTC' })
    await until(`server ${node.name} answers`, async () => {
      await withConnection(this.#urlOf(node), (sql) => sql`SELECT 1`)
      return true
    }).catch((error: unknown) => {
      throw new Error(`${String(error)} Its last words: ${this.#kept.log().slice(-2_000)}`)
    })
  }

  /** A postmaster that dies alone is noticed by its children, who may commit before they are. */
  async #killAtOnce(node: Node): Promise<void> {
    const { pid, exited, kill } = node.process!
    kill('SIGSTOP')
    const children = childrenOf(pid)
    for (const victim of [pid, ...children]) signal(victim, 'SIGKILL')
    await exited
    await until('all of its processes are gone', () => Promise.resolve(children.every((child) => !isAlive(child))))
    await this.#freeSharedMemory(node)
  }

  /** The seventh line of postmaster.pid names the segment that a killed server could not give back. */
  async #freeSharedMemory({ data }: Node): Promise<void> {
    const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n')
    const segment = lines[6]?.trim().split(/\s+/)[1]
    if (segment) spawnSync('ipcrm', ['-m', segment])
  }

  async #untilFollowing(syncState?: string): Promise<void> {
    await withConnection(this.url, (sql) =>
      until('the standby follows', async () => {
        const [standby] = await sql<{ state: string; sync: string }[]>`SELECT state, sync_state AS sync FROM pg_stat_replication`
        return standby?.state === 'streaming' && (syncState === undefined || standby.sync === syncState)
      }),
    )
  }

  async #write(node: Node, file: string, text: string): Promise<void> {
    const path = join(node.data, file)
    await writeFile(path, text, { mode: 0o600 })
    const { user } = this.#kept
    if (user) await chown(path, user.uid, user.gid)
  }

  #urlOf({ port }: Node): string {
    return `postgresql://${SUPERUSER}:${this.#password}@127.0.0.1:${port}/postgres`
  }
}

// What belongs to one server only, or is sent to the standby when it asks. The folders themselves are expected.
const LEFT_OUT =
  /^(?:postmaster\.(?:pid|opts)|(?:pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)\/.+)$/

function belongsToBackup(path: string): boolean {
  return path === join('pg_wal', 'archive_status') || path === join('pg_wal', 'summaries') || !LEFT_OUT.test(path)
}

function childrenOf(pid: number): number[] {
  return spawnSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(Boolean)
    .map(Number)
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

function isAlive(pid: number): boolean {
  return signal(pid, 0)
}

/** Asks until it is so; a question that fails is asked again, as a server that starts refuses all. */
async function until(what: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + LIMIT
  let last: unknown
  while (performance.now() < deadline) {
    try {
      if (await ask()) return
      last = undefined
    } catch (error) {
      last = error
    }
    await setTimeout(10)
  }
  throw new Error(`Waited ${LIMIT} ms in vain until ${what}.`, { cause: last })
}
