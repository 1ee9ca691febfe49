import { execFile, execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { waitUntil } from './wait-until.js'

const run = promisify(execFile)

/** Whether a test can have a terminal. */
export function hasTmux(): boolean {
  try {
    return execFileSync('tmux', ['-V'], { stdio: ['ignore', 'pipe', 'ignore'] }).length > 0
  } catch {
    return false
  }
}

export interface TerminalOptions {
  readonly command: readonly string[]
  /** A temporary folder, which has the socket of the terminal in it as well. */
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly width: number
  readonly height: number
}

/** A terminal of the test's own, in which a shell runs one command and then says how it ended. */
export interface Terminal {
  /** Presses keys, by tmux' names for them. */
  press(...keys: string[]): Promise<void>
  resize(width: number, height: number): Promise<void>
  /** What is on the screen now, row by row; with its escape codes if asked for. */
  read(withColors?: boolean): Promise<string[]>
  /** Waits until the screen, in one piece of text, is as wanted. */
  waitFor(what: RegExp | ((screen: string) => boolean)): Promise<string>
  /** Writes all that the command sends to the terminal from now on to a file, as it is. */
  recordTo(file: string): Promise<void>
  /** What tmux knows of the terminal, such as `#{alternate_on}`. */
  ask(format: string): Promise<string>
  /** The process id of the command, while it has the whole screen. */
  pid(): Promise<number>
  /** Takes the terminal away from the command, and ends it. */
  end(): Promise<void>
}

// A command begins with its compiler, while other tests run.
const PATIENCE = { timeout: 30_000 }

/** Starts a tmux server that nobody else talks to, and is gone when it is ended. */
export async function startTerminal({ command, cwd, env, width, height }: TerminalOptions): Promise<Terminal> {
  const socket = join(cwd, `tmux-${randomUUID().slice(0, 8)}`)
  // What a CI sets for its logs is not for a terminal.
  const own = Object.fromEntries(Object.entries(process.env).filter(([key]) => !['CI', 'FORCE_COLOR', 'NO_COLOR', 'TMUX'].includes(key)))
  const tmux = async (...args: string[]) =>
    (await run('tmux', ['-u', '-S', socket, '-f', '/dev/null', ...args], { env: { ...own, ...env } })).stdout
  // Says what it is before and after the command, and stays for what it left behind to be looked at.
  const inShell = `sh -c 'echo "before it, process $$"; exec "$@"' sh "$@"; echo "ended with $?"; stty -a; exec cat`
  const shell = ['sh', '-c', inShell, 'sh', ...command]
  await tmux('new-session', '-d', '-x', String(width), '-y', String(height), '-c', cwd, '--', ...shell)

  const read = async (withColors = false) =>
    (await tmux('capture-pane', '-p', ...(withColors ? ['-e'] : []))).replace(/\n$/, '').split('\n')
  const ask = async (format: string) => (await tmux('display-message', '-p', format)).trim()
  return {
    press: async (...keys) => void (await tmux('send-keys', ...keys)),
    resize: async (columns, rows) => void (await tmux('resize-window', '-x', String(columns), '-y', String(rows))),
    read,
    async waitFor(what) {
      let last = ''
      const look = async () => {
        last = (await read()).join('\n')
        if (typeof what === 'function' ? what(last) : what.test(last)) return last
        return setTimeout(20, undefined)
      }
      return waitUntil(`the screen has ${String(what)}`, look, PATIENCE).catch((error: unknown) => {
        throw new Error(`${(error as Error).message} It was:\n${last}`)
      })
    },
    recordTo: async (file) => void (await tmux('pipe-pane', `cat > '${file}'`)),
    ask,
    async pid() {
      const under = await tmux('capture-pane', '-p', '-a')
      return Number(/process (\d+)/.exec(under)![1])
    },
    end: async () => void (await tmux('kill-server').catch(() => undefined)),
  }
}
