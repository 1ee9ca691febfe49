/** Forked by processes.ts: the calls of one process, over pools of its own. It ends with the process that started it. */
import process from 'node:process'
import { runCallers, timeCallers } from '../../callers.js'
import { type Opened, pickUser } from '../contestant.js'
import { REOPENING } from '../measure.js'
import { growing } from './growing.js'
import type { Job, ToParent, ToWorker } from './processes.js'

const opened = new Map<string, Opened>()
let start: (() => Promise<void>) | undefined

process.on('disconnect', () => process.exit(1))
process.on('message', (message: ToWorker) => {
  handle(message).catch((error: unknown) =>
    say({ type: 'failed', problem: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})

async function handle(message: ToWorker): Promise<void> {
  if (message.type === 'start') return start!()
  if (message.type === 'prepare') {
    start = await prepare(message.job)
    return say({ type: 'prepared' })
  }
  for (const one of opened.values()) await one.close()
  opened.clear()
  say({ type: 'closed' })
}

async function prepare({ contestant, url, pool, callers, called, first, time }: Job) {
  const withdraw = await open(contestant, url, pool)
  const run = (index: number) => withdraw(pickUser(first + index, called))
  const before = await runCallers({ callers, operations: REOPENING * Math.min(callers, pool), run })
  return async () => {
    const begun = now()
    const { latencies } = await timeCallers({ callers, operations: Infinity, limit: time, run })
    const withdrawn = before.done + latencies.length
    say({ type: 'done', calls: { latencies: Float64Array.from(latencies), begun, ended: now(), withdrawn } })
  }
}

async function open(contestant: string, url: string, pool: number) {
  const name = `${contestant} ${url}`
  const one = opened.get(name) ?? (await growing.find((each) => each.name === contestant)!.open({ url, pool }))
  opened.set(name, one)
  if ('round' in one) throw new Error(`${contestant} makes its calls in a program of its own.`)
  return one.withdraw
}

/** Of one clock for all processes. */
const now = () => performance.timeOrigin + performance.now()

const say = (message: ToParent) => void process.send!(message)
