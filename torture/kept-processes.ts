import { spawnSync } from 'node:child_process'
import { chown } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findUnprivilegedUser, type UnprivilegedUser } from '../src/harness/unprivileged-user.js'
import { startWatchdog } from '../src/harness/watchdog.js'

/** A program that runs until it is killed, or ends by itself. */
export interface KeptProcess {
  readonly pid: number
  /** Resolves when it has ended. */
  readonly exited: Promise<void>
  kill(signal: NodeJS.Signals): void
}

/** Programs that serve a run and end with it, and a folder for what they keep, which goes with them. */
export interface KeptProcesses extends AsyncDisposable {
  readonly directory: string
  /** Whom they run as; undefined for the user of this process. */
  readonly user: UnprivilegedUser | undefined
  start(file: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<KeptProcess>
  /** The end of what they wrote to standard error. */
  log(): string
}

type Message =
  | { readonly directory: string }
  | { readonly id: number; readonly pid: number }
  | { readonly id: number; readonly exited: true }
  | { readonly id: number; readonly error: string }

const LOG_KEPT = 20_000

// SIGQUIT ends a PostgreSQL server at once, and every other program that does not catch it.
const KEEP = String.raw`
  const { spawn } = require('node:child_process')
  const { mkdtempSync, rmSync } = require('node:fs')
  const directory = mkdtempSync(process.argv[1])
  const children = new Set()
  let closing = false
  const endIfLast = () => {
    if (!closing || children.size > 0) return
    rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
    process.exit()
  }
  commands.on('line', (line) => {
    const { id, file, args, options } = JSON.parse(line)
    const child = spawn(file, args, { ...options, stdio: ['ignore', 2, 2] })
    child.once('error', (error) => say({ id, error: error.message }))
    child.once('spawn', () => {
      children.add(child)
      say({ id, pid: child.pid })
    })
    child.once('exit', () => {
      children.delete(child)
      if (!closing) say({ id, exited: true })
      endIfLast()
    })
  })
  commands.on('close', () => {
    closing = true
    for (const child of children) child.kill('SIGQUIT')
    endIfLast()
  })
  say({ directory })
`

/** Runs programs as a user that PostgreSQL and PgBouncer do not refuse to run as, below a process that outlives this one. */
export async function keepProcesses(): Promise<KeptProcesses> {
  const user = findUnprivilegedUser()
  const watchdog = startWatchdog(KEEP, [join(rootFor(user), 'rowlock-')])
  const { directory } = (await watchdog.hear()) as { directory: string }
  if (user) await chown(directory, user.uid, user.gid)
  let text = ''
  watchdog.stderr.setEncoding('utf8')
  watchdog.stderr.on('data', (chunk: string) => (text = (text + chunk).slice(-LOG_KEPT)))

  const started = new Map<number, (message: Message) => void>()
  const exits = new Map<number, () => void>()
  const deliver = (message: Message) => {
    if (!('id' in message)) return
    if ('exited' in message) exits.get(message.id)?.()
    else started.get(message.id)?.(message)
  }
  const listen = async () => {
    for (;;) deliver((await watchdog.hear()) as Message)
  }
  // It ends with the watchdog, and so did all that the watchdog kept.
  listen().catch(() => {
    for (const exit of exits.values()) exit()
  })
  let lastId = 0

  return {
    directory,
    user,
    log: () => text,
    async start(file, args, env = process.env) {
      const id = ++lastId
      const exited = new Promise<void>((resolve) => exits.set(id, resolve))
      const spawned = new Promise<Message>((resolve) => started.set(id, resolve))
      // Whose message it gets is nobody's business: all are delivered.
      watchdog.ask({ id, file, args, options: { ...user, cwd: directory, env } }).then(
        (message) => deliver(message as Message),
        () => undefined,
      )
      const message = await spawned
      if (!('pid' in message)) throw new Error(`${file} did not start: ${'error' in message ? message.error : 'no process'}`)
      const { pid } = message
      return { pid, exited, kill: (signal) => void process.kill(pid, signal) }
    },
    async [Symbol.asyncDispose]() {
      await watchdog.release()
    },
  }
}

/** TMPDIR, unless it is private to root. */
function rootFor(user: UnprivilegedUser | undefined): string {
  const canEnter = (path: string) => spawnSync('ls', ['-d', join(path, '.')], { ...user, cwd: '/' }).status === 0
  return !user || canEnter(tmpdir()) ? tmpdir() : '/tmp'
}
