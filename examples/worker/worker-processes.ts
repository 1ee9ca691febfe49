import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('process.ts', import.meta.url))

export interface WorkerProcessOptions {
  readonly databaseUrl: string
  /** In milliseconds, as of {@link WorkerOptions}. */
  readonly lease: number
  readonly retryIn: number
  /** Whether to run the worker that is wrong. */
  readonly naive?: boolean
  /** Told what the process prints. */
  readonly onLine?: (line: string, worker: ChildProcess) => void
}

/** Starts `process.ts` as a process of its own. */
export function spawnWorker({ databaseUrl, lease, retryIn, naive = false, onLine }: WorkerProcessOptions): ChildProcess {
  const worker = spawn(process.execPath, ['--import', 'tsx', program, ...(naive ? ['--naive'] : [])], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, DATABASE_URL: databaseUrl, LEASE: String(lease), RETRY_IN: String(retryIn) },
  })
  createInterface({ input: worker.stdout! }).on('line', (line) => onLine?.(line, worker))
  return worker
}

/** Keeps `count` worker processes running: one that ends is replaced, as by any process manager. */
export function keepWorkers(count: number, options: WorkerProcessOptions) {
  const running = new Set<ChildProcess>()
  let stopping = false
  const start = () => {
    const worker = spawnWorker(options)
    running.add(worker)
    worker.once('exit', () => {
      running.delete(worker)
      if (!stopping) start()
    })
  }
  for (let index = 0; index < count; index++) start()
  return {
    /** Lets each of them finish its job, and resolves when they have ended. */
    async stop(): Promise<void> {
      stopping = true
      const ended = Array.from(running, (worker) => once(worker, 'exit'))
      for (const worker of running) worker.kill('SIGTERM')
      await Promise.all(ended)
    },
  }
}
