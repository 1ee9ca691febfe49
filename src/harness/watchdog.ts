import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

/**
 * A small detached process that cleans up after this one, however this one ends. It holds the other
 * end of a pipe; the operating system closes the pipe when this process is gone, also after kill -9,
 * and that is the signal to clean up. So this process needs no exit hooks and no signal handlers,
 * which could not see kill -9 and would change how the caller's program reacts to Ctrl-C.
 *
 * States: waiting (asked with {@link Watchdog.ask}) -> idle ({@link Watchdog.letGo}: it no longer
 * keeps this process alive) -> released ({@link Watchdog.release}, or this process ended).
 */
export interface Watchdog {
  /** Sends a command and resolves with the watchdog's next message. */
  ask(command: unknown): Promise<unknown>
  /** Resolves with the next message that no `ask` is waiting for. */
  hear(): Promise<unknown>
  /** What the watchdog and its children write to standard error. */
  readonly stderr: Readable
  /** Lets this process end while the watchdog lives. */
  letGo(): void
  /** Makes the watchdog clean up and resolves once it has ended. */
  release(): Promise<void>
}

// Sessions of their own: Ctrl-C signals a whole process group, and a database that went away before
// the program under test had finished would turn every interrupt into a storm of errors.
const SHARED = String.raw`
  const { createInterface } = require('node:readline')
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  process.stdout.on('error', () => {})
  const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')
  const commands = createInterface({ input: process.stdin })
  process.on('SIGTERM', () => commands.close())
`

/**
 * Starts a watchdog. `script` is its body, as text: a file would need one path in `dist` and another
 * in the sources, and a loader for the latter. It may use `say`, `commands` (a readline interface
 * whose `close` event means "clean up now") and `process.argv`.
 */
export function startWatchdog(script: string, args: readonly string[] = []): Watchdog {
  const child = spawn(process.execPath, ['-e', SHARED + script, ...args], {
    detached: true,
    windowsHide: true,
    // A loader or an inspector of this process is none of the watchdog's business.
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // Written to after its end; the end itself is reported by `hear`.
  child.stdin.on('error', () => {})
  const hear = mailbox(child)
  // Also after a failure to start, which has no exit event.
  const closed = once(child, 'close').catch(() => {})
  return {
    ask(command) {
      child.stdin.write(`${JSON.stringify(command)}\n`)
      return hear()
    },
    hear,
    stderr: child.stderr,
    letGo: () => setReferenced(child, false),
    async release() {
      setReferenced(child, true)
      child.stdin.end()
      await closed
    },
  }
}

/** Hands out messages in order, each once; rejects when the watchdog ends first. */
function mailbox(child: ChildProcess): () => Promise<unknown> {
  const messages: unknown[] = []
  const waiting: { resolve(message: unknown): void; reject(error: Error): void }[] = []
  const gone = () => new Error('The watchdog process has ended.')
  let ended = false
  createInterface({ input: child.stdout as Readable }).on('line', (line) => {
    const message: unknown = JSON.parse(line)
    const next = waiting.shift()
    if (next) next.resolve(message)
    else messages.push(message)
  })
  const end = (error: Error) => {
    ended = true
    for (const { reject } of waiting.splice(0)) reject(error)
  }
  child.on('error', end)
  child.on('close', () => end(gone()))
  return () =>
    new Promise((resolve, reject) => {
      if (messages.length > 0) resolve(messages.shift())
      else if (ended) reject(gone())
      else waiting.push({ resolve, reject })
    })
}

function setReferenced(child: ChildProcess, referenced: boolean): void {
  const method = referenced ? 'ref' : 'unref'
  child[method]()
  // Pipes of a child process are sockets, which the stream types do not say.
  for (const pipe of [child.stdin, child.stdout, child.stderr]) {
    const handle = pipe as { ref?(): void; unref?(): void } | null
    handle?.[method]?.()
  }
}
