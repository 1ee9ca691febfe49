import { once } from 'node:events'
import { spawnWorker } from '../../../examples/worker/worker-processes.js'
import type { TestDatabase } from '../database.js'

export interface TestWorkerOptions {
  /** What `pg_stat_activity` calls its sessions. */
  readonly name?: string
  readonly naive?: boolean
  /** In milliseconds. Default: longer than any test. */
  readonly lease?: number
}

/** A process of examples/worker on a test's database, which is killed at the end of its scope. */
export interface TestWorker extends AsyncDisposable {
  readonly lines: readonly string[]
  kill(signal: NodeJS.Signals): void
  /** Resolves with its exit code, or with the signal that has ended it. */
  ended(): Promise<number | NodeJS.Signals>
}

export function startTestWorker(database: TestDatabase, options: TestWorkerOptions = {}): TestWorker {
  const { name = 'worker', naive = false, lease = 600_000 } = options
  const url = new URL(database.url)
  url.searchParams.set('application_name', name)
  const lines: string[] = []
  const child = spawnWorker({ databaseUrl: url.href, lease, retryIn: 20, naive, onLine: (line) => lines.push(line) })
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const ended = async () => {
    const [code, signal] = await exit
    return code ?? signal!
  }
  return {
    lines,
    kill: (signal) => void child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await exit
    },
  }
}
