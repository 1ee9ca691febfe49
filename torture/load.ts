import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { within } from '../src/core/within.js'
import { type Journaled, readJournals } from './journal.js'

/** What one process of the load is told. */
export interface LoadRequest {
  readonly url: string
  /** Of the journals. */
  readonly folder: string
  /** Its number, from which the ids of its movements follow. */
  readonly process: number
  /** How many movements it makes at once. */
  readonly callers: number
  /** The wallets are those of the users from 1 up to this. */
  readonly users: number
  readonly preparedStatements: boolean
  readonly keys: boolean
}

export interface LoadReport {
  /** Movements acknowledged as done so far. */
  readonly done: number
  readonly ended: boolean
  /** Rejections that nobody handled. */
  readonly rejections: readonly string[]
  /** Bytes of its heap after a collection, when it was asked for them. */
  readonly heap?: number
}

/** What a process of the load is told. */
export type LoadCommand = 'heap' | 'stop'

export interface LoadOptions {
  readonly url: string
  readonly processes: number
  readonly callers: number
  readonly users: number
  /** @default true */
  readonly preparedStatements?: boolean
  /**
   * Whether most movements have an idempotency key, and only those are made again when nobody knows their outcome.
   * False: none has one, and all are made again.
   *
   * @default true
   */
  readonly keys?: boolean
}

/** What is known of a load that was told to stop. */
export interface LoadEnd {
  readonly journaled: readonly Journaled[]
  readonly rejections: readonly string[]
  /** Processes that did not end within their bound, and were killed. */
  readonly stuck: number
}

/** Processes that move money until they are told to stop, with a journal each. */
export interface Load extends AsyncDisposable {
  /** Resolves with true once `count` more movements are acknowledged as done; with false after `limit` milliseconds. */
  progress(count: number, limit: number): Promise<boolean>
  /** What each process has on its heap after a collection, in bytes. */
  heaps(): Promise<number[]>
  /** Lets every call end, and those with a key be resolved. Processes that take longer than `limit` are killed. */
  stop(limit: number): Promise<LoadEnd>
}

interface Worker {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  last: LoadReport
}

const program = fileURLToPath(new URL('load-worker.ts', import.meta.url))

export async function startLoad({ processes, preparedStatements = true, keys = true, ...rest }: LoadOptions): Promise<Load> {
  const folder = await mkdtemp(join(tmpdir(), 'rowlock-journals-'))
  const listeners = new Set<() => void>()
  const workers = Array.from({ length: processes }, (_, index) =>
    startWorker({ ...rest, preparedStatements, keys, folder, process: index }, () => listeners.forEach((listener) => listener())),
  )
  const done = () => workers.reduce((sum, { last }) => sum + last.done, 0)

  async function progress(count: number, limit: number): Promise<boolean> {
    const goal = done() + count
    let listener = () => {}
    const reached = new Promise<true>((resolve) => {
      listener = () => {
        if (done() >= goal) resolve(true)
      }
      listeners.add(listener)
    })
    const result = await within(reached, limit)
    listeners.delete(listener)
    return result === true
  }

  return {
    progress,
    heaps: () => Promise.all(workers.map(heapOf)),
    async stop(limit) {
      for (const { child } of workers) if (child.connected) child.send('stop' satisfies LoadCommand)
      await within(Promise.all(workers.map(({ exited }) => exited)), limit)
      const stuck = workers.filter(({ child }) => child.exitCode === null && child.signalCode === null).length
      const journaled = await readJournals(folder)
      const silent = workers.filter(({ last }) => !last.ended).length - stuck
      const rejections = [
        ...workers.flatMap(({ last }) => last.rejections),
        ...(silent > 0 ? [`${silent} processes ended without being told to`] : []),
      ]
      return { journaled, rejections, stuck }
    },
    async [Symbol.asyncDispose]() {
      for (const { child } of workers) child.kill('SIGKILL')
      await Promise.all(workers.map(({ exited }) => exited))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function startWorker(request: LoadRequest, onReport: () => void): Worker {
  const child = fork(program, [JSON.stringify(request)], {
    execArgv: ['--expose-gc', '--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const worker: Worker = { child, exited: once(child, 'exit'), last: { done: 0, ended: false, rejections: [] } }
  child.on('message', (report: LoadReport) => {
    worker.last = report
    onReport()
  })
  return worker
}

function heapOf({ child }: Worker): Promise<number> {
  return new Promise((resolve) => {
    const listen = ({ heap }: LoadReport) => {
      if (heap === undefined) return
      child.off('message', listen)
      resolve(heap)
    }
    child.on('message', listen)
    child.send('heap' satisfies LoadCommand)
  })
}
