import fc from 'fast-check'
import { setTimeout as sleep } from 'node:timers/promises'
import { findLeft } from '../find-left.js'
import { takeRejections } from '../watch-process.js'
import { type HostileCall, makeCall, type Twist, twist } from './arguments.js'
import type { SentStatements } from './sent-statements.js'
import type { Arguments, Target } from './target.js'
import { judgeError } from './verdict.js'
import type { World } from './world.js'

/** What a function made of its calls. */
export interface TargetResult {
  readonly calls: number
  /** How many came to send a statement. */
  readonly reached: number
  readonly untyped: readonly string[]
  readonly stuck: readonly string[]
  readonly left: readonly string[]
}

export interface RunTargetOptions {
  readonly world: World
  readonly statements: SentStatements
  readonly calls: number
  readonly seed: number
  readonly signal: AbortSignal
}

const AT_ONCE = 16
// In milliseconds. Far more than any limit that the calls are given.
const BOUND = 30_000

/** Calls a function with hostile arguments. */
export async function runTarget(target: Target, { world, statements, calls, seed, signal }: RunTargetOptions): Promise<TargetResult> {
  const twists = fc.sample(fc.array(twist, { minLength: 1, maxLength: 2 }), { numRuns: calls, seed })
  const untyped: string[] = []
  const stuck: string[] = []
  let reached = 0
  let made = 0

  const runOne = async (one: readonly Twist[]) => {
    const call = makeCall(target, world, one)
    made++
    const sent = await statements.during(async () => {
      const end = await settle(target, call, world)
      if (end.kind === 'stuck') stuck.push(call.what)
      const wrong = end.kind === 'threw' ? judgeError(end.error, call, target) : undefined
      if (wrong !== undefined) untyped.push(`${call.what}: ${wrong}`)
    })
    if (sent) reached++
  }

  const queue = [...twists]
  const work = async () => {
    for (let one = queue.pop(); one && !signal.aborted; one = queue.pop()) await runOne(one)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  const { notes } = await look(world)
  const left = [...(await takeRejections()), ...(notes.length === 0 ? [] : await blame(target, world, twists, notes))]
  return { calls: made, reached, untyped, stuck, left }
}

type End = { readonly kind: 'returned' | 'stuck' } | { readonly kind: 'threw'; readonly error: unknown }

async function settle(target: Target, call: HostileCall, world: World): Promise<End> {
  const timer = new AbortController()
  const late = sleep(BOUND, { kind: 'stuck' } as const, { signal: timer.signal }).catch(() => ({ kind: 'stuck' }) as const)
  const run = async (): Promise<End> => {
    try {
      await (target.call(call.args as unknown as Arguments, world) as Promise<unknown>)
      return { kind: 'returned' }
    } catch (error) {
      return { kind: 'threw', error }
    }
  }
  try {
    return await Promise.race([run(), late])
  } finally {
    timer.abort()
  }
}

const look = (world: World) =>
  findLeft(world.sql, {
    sessions: world.pool.totalCount + world.lockerPool.totalCount + SIDE_CONNECTIONS,
    pools: [world.pool, world.lockerPool],
  })

// Rowlock keeps up to two beside each pool, for cancels, until they have been idle for two seconds.
const SIDE_CONNECTIONS = 4
const MOST_BLAMED = 20

/** Calls again one by one, to find the call that leaves something behind. */
async function blame(target: Target, world: World, twists: readonly (readonly Twist[])[], notes: readonly string[]): Promise<string[]> {
  for (const one of twists.slice(0, MOST_BLAMED)) {
    const call = makeCall(target, world, one)
    await settle(target, call, world)
    const left = await findLeft(world.sql, { sessions: Infinity, pools: [world.pool, world.lockerPool], grace: 50 })
    if (left.notes.some((note) => !notes.includes(note))) return [...notes, `by a call with ${call.what}`]
  }
  return [...notes]
}
