import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

import { waitUntil } from './wait-until.js'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const tsx = import.meta.resolve('tsx')
/** By which `rowlock` is the source, also for a file that is elsewhere. */
const tsconfig = fileURLToPath(new URL('../../tsconfig.json', import.meta.url))

/** A temporary folder of the test file's own, in which tsx keeps what it has compiled. */
let folder: Promise<string> | undefined
afterAll(async () => {
  if (folder) await rm(await folder, { recursive: true, force: true, maxRetries: 10 })
})

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** What its database left in the temporary folder, right after the exit. */
  readonly leftFiles: readonly string[]
}

export interface RunCliOptions {
  /** Sends this signal to the whole process group, as a terminal does, when standard output has `at` in it. */
  readonly interrupt?: { readonly at: string; readonly signal: NodeJS.Signals }
  readonly env?: NodeJS.ProcessEnv
  /** The command of a built package. Default: its source. */
  readonly bin?: string
}

/**
 * Runs the `rowlock` command from a folder that is not the package, to its end.
 *
 * @throws when processes that it started outlive it.
 */
export async function runCli(args: readonly string[], { interrupt, env = {}, bin }: RunCliOptions = {}): Promise<CliResult> {
  const { command, cwd: temporary, env: cliEnv } = await cliProcess(args, bin)
  const child = spawn(command[0]!, command.slice(1), {
    cwd: temporary,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...cliEnv, ...env },
  })
  let stdout = ''
  let stderr = ''
  let interrupted = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    if (!interrupt || interrupted || !stdout.includes(interrupt.at)) return
    interrupted = true
    process.kill(-child.pid!, interrupt.signal)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [code] = (await once(child, 'close')) as [number | null]
  const leftFiles = (await readdir(temporary)).filter((name) => name.startsWith('rowlock-'))
  // The compiler of tsx notices a moment later that its parent is gone.
  await waitUntil('every process of the command has ended', async () => (isAlive(-child.pid!) ? setTimeout(5, undefined) : true))
  return { code, stdout, stderr, leftFiles }
}

interface CliProcess {
  readonly command: string[]
  readonly cwd: string
  readonly env: Record<string, string>
}

/** How the `rowlock` command is run: in which folder, and with what in its environment. */
export async function cliProcess(args: readonly string[], bin?: string): Promise<CliProcess> {
  const cwd = await (folder ??= makeFolder())
  const env = { DATABASE_URL: '', ROWLOCK_DATABASE: '', TMPDIR: cwd, TSX_TSCONFIG_PATH: tsconfig }
  const program = bin === undefined ? ['--import', tsx, main] : [bin]
  return { command: [process.execPath, ...program, ...args], cwd, env }
}

async function makeFolder(): Promise<string> {
  const temporary = await mkdtemp(join(tmpdir(), 'rowlock-test-'))
  // An embedded server that is started by root runs as another user.
  await chmod(temporary, 0o777)
  return temporary
}

/** Whether there is such a process, or one of such a group when the number is negative. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
