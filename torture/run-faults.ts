import { within } from '../src/core/within.js'
import type { Fault, Outcome, Plan } from './fault.js'
import { seededRandom } from './seeded.js'
import type { ControlResult, FaultResult, Ran } from './verdict.js'
import { watchProcess } from './watch-process.js'

export interface RunOptions {
  readonly ci: boolean
  readonly seed: number
  /** In place of the sizes that the faults have themselves; not of their controls'. */
  readonly size: number | undefined
  readonly signal: AbortSignal
}

/** Whom to tell where a fault is. */
export interface Listener {
  progress(text: string): void
  ran(ran: Ran): void
  control(result: ControlResult): void
}

// A fault that takes longer is stuck itself. In milliseconds.
const BOUND = { ci: 10 * 60_000, full: 4 * 3_600_000 }
// How long a run may take to end once it was told to.
const ENDING = 30_000

/** Runs a fault and then its controls. Never fails: what a run fails with is its result. */
export async function runFault(fault: Fault, options: RunOptions, listener: Listener): Promise<FaultResult> {
  const unavailable = await fault.unavailable?.()
  if (unavailable !== undefined) return { fault, unavailable, controls: [] }
  const size = options.size ?? (options.ci ? fault.sizes.ci : fault.sizes.full)
  const ran = await run(fault.run.bind(fault), fault.id, size, options, listener)
  listener.ran(ran)
  const controls: ControlResult[] = []
  for (const control of fault.controls) {
    if (options.signal.aborted) break
    const name = `${fault.id} without ${control.without}`
    const result = { control, ...(await run(control.run.bind(control), name, control.size, options, listener)) }
    listener.control(result)
    controls.push(result)
  }
  return { fault, ran, controls }
}

async function run(
  body: (plan: Plan) => Promise<Outcome>,
  name: string,
  size: number,
  { ci, seed, signal }: RunOptions,
  { progress }: Listener,
): Promise<Ran> {
  const bound = ci ? BOUND.ci : BOUND.full
  const plan: Plan = { size, random: seededRandom(seed, name), signal: AbortSignal.any([signal, AbortSignal.timeout(bound)]), progress }
  const watch = watchProcess()
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1_000
  try {
    const outcome = await endOf(body(plan), plan.signal)
    const leftovers = await watch.leftovers()
    const left = (outcome.left ?? 0) + leftovers.length
    return { outcome: { ...outcome, left, notes: [...(outcome.notes ?? []), ...leftovers] }, seconds: seconds() }
  } catch (error) {
    await watch.leftovers()
    return { error: describe(error), seconds: seconds() }
  }
}

/** A run that does not end when it is told to is left alone, so that the others get their turn. */
async function endOf(running: Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
  const told = new Promise<void>((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
  const early = await Promise.race([running, told])
  if (early) return early
  const late = await within(running, ENDING)
  if (late === 'late') throw new Error(`It did not end within ${ENDING} ms after it was told to.`)
  return late
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `, because of ${describe(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}
