import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { isReachable } from './is-reachable.js'
import { waitUntil } from './wait-until.js'

/** A program with a database, in a temporary folder of its own. */
export interface DatabaseProcess extends AsyncDisposable {
  readonly child: ChildProcess
  /** The program's process id, which is its process group's too. */
  readonly pid: number
  /** Resolves with the database's URL once it is printed. */
  url(): Promise<string>
  /** What the database has in the temporary folder right now. */
  files(): Promise<string[]>
  /** Resolves when the program has ended. */
  ended: Promise<unknown>
}

const program = fileURLToPath(new URL('database-process.ts', import.meta.url))

/** Starts `database-process.ts` as the leader of a process group, as a shell would. */
export async function runDatabaseProcess(
  ending: 'wait' | 'return' | 'exit' | 'throw',
  env: NodeJS.ProcessEnv = {},
): Promise<DatabaseProcess> {
  const temporary = await mkdtemp(join(tmpdir(), 'rowlock-test-'))
  await chmod(temporary, 0o777)
  const child = spawn(process.execPath, ['--import', 'tsx', program, ending], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, DATABASE_URL: '', ROWLOCK_DATABASE: '', TMPDIR: temporary, ...env },
  })
  const ended = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  return {
    child,
    pid: child.pid!,
    ended,
    url: async () => ((await once(lines, 'line')) as [string])[0],
    files: async () => (await readdir(temporary)).filter((name) => name.startsWith('rowlock-')),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await rm(temporary, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}

/** Resolves once nothing of the database is left: its port is closed and its folder is gone. */
export async function waitUntilGone(running: DatabaseProcess, url?: string): Promise<void> {
  await waitUntil('the server is stopped and its folder removed', async () => {
    const open = url !== undefined && (await isListening(url))
    const files = await running.files()
    if (!open && files.length === 0) return true
    await setTimeout(5)
    return undefined
  })
}

/** Tells whether anything answers at the URL's host and port. */
export async function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return isReachable(hostname, Number(port))
}
