import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** A program of examples/, as its npm script runs it. */
export interface ExampleProcess extends AsyncDisposable {
  readonly child: ChildProcess
  /** What it has printed so far. */
  printed(): string
  /** Resolves with the first match in what it prints. */
  prints(pattern: RegExp): Promise<RegExpExecArray>
  /** Resolves with its exit code, and with what its database has left in the temporary folder. */
  ended(): Promise<{ code: number | null; leftFiles: string[] }>
}

/** Runs a program of examples/ on a database of its own, in a temporary folder of its own. */
export async function runExample(program: string, env: NodeJS.ProcessEnv = {}, args: readonly string[] = []): Promise<ExampleProcess> {
  const temporary = await mkdtemp(join(tmpdir(), 'rowlock-test-'))
  // An embedded server that is started by root runs as another user.
  await chmod(temporary, 0o777)
  const child = spawn(process.execPath, ['--import', 'tsx', join('examples', program), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DATABASE_URL: '', ROWLOCK_DATABASE: '', TMPDIR: temporary, ...env },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (data: string) => (text += data))
  const closed = once(child, 'close')
  return {
    child,
    printed: () => text,
    async prints(pattern) {
      for (;;) {
        const found = pattern.exec(text)
        if (found) return found
        if (child.exitCode !== null) throw new Error(`It ended without printing ${pattern}: ${text}`)
        await Promise.race([once(child.stdout, 'data'), closed])
      }
    },
    async ended() {
      await closed
      return { code: child.exitCode, leftFiles: (await readdir(temporary)).filter((name) => name.startsWith('rowlock-')) }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await closed
      await rm(temporary, { recursive: true, force: true, maxRetries: 10 })
    },
  }
}
