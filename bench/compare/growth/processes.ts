import { startAsked } from '../../asked-process.js'
import { type Round, summarizeCalls } from '../../callers.js'

/** What one process does in one round. */
export interface Job {
  readonly contestant: string
  readonly url: string
  /** Connections at most. */
  readonly pool: number
  readonly callers: number
  /** Wallets that are withdrawn from. */
  readonly called: number
  /** Where in the order of the wallets it begins. */
  readonly first: number
  /** Milliseconds. */
  readonly time: number
}

export type ToWorker = { readonly type: 'prepare'; readonly job: Job } | { readonly type: 'start' | 'close' }
export type ToParent =
  | { readonly type: 'prepared' | 'closed' }
  | { readonly type: 'done'; readonly calls: ProcessCalls }
  | { readonly type: 'failed'; readonly problem: string }

interface ProcessCalls {
  readonly latencies: Float64Array
  /** Milliseconds of the machine's clock. */
  readonly begun: number
  readonly ended: number
  /** Before the clock ran, too. */
  readonly withdrawn: number
}

export interface Turn {
  readonly round: Round
  readonly withdrawn: number
}

/** Processes that stay for all rounds, so that each has warmed up and none is starting while another is measured. */
export function startProcesses(count: number) {
  const all = Array.from({ length: count }, startProcess)
  return {
    /** All begin when the last one is ready; the time is from the first one's begin to the last one's end. */
    async run(jobs: readonly Job[]): Promise<Turn> {
      const taking = jobs.map((job, index) => [all[index]!, job] as const)
      await Promise.all(taking.map(([one, job]) => one.ask({ type: 'prepare', job })))
      const answers = await Promise.all(taking.map(([one]) => one.ask({ type: 'start' })))
      const calls = answers.map((answer) => (answer as ToParent & { type: 'done' }).calls)
      const begun = Math.min(...calls.map((one) => one.begun))
      const seconds = (Math.max(...calls.map((one) => one.ended)) - begun) / 1_000
      const latencies = calls.flatMap((one) => [...one.latencies])
      return { round: summarizeCalls({ latencies, seconds }), withdrawn: calls.reduce((sum, one) => sum + one.withdrawn, 0) }
    },
    /** Ends the pools: a database that is dropped has no sessions left. */
    close: () => Promise.all(all.map((one) => one.ask({ type: 'close' }))),
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((one) => one.end()))
    },
  }
}

export type Processes = ReturnType<typeof startProcesses>

function startProcess() {
  const { ask, end } = startAsked<ToParent>(new URL('./worker.ts', import.meta.url), [], { serialization: 'advanced' })
  return {
    async ask(message: ToWorker): Promise<ToParent> {
      const answer = await ask(message)
      if (answer.type === 'failed') throw new Error(answer.problem)
      return answer
    },
    end,
  }
}
