import { type Profiler, Session } from 'node:inspector/promises'
import pg from 'pg'
import { InvariantJudge } from '../src/harness/explore/judge.js'
import { ScratchData } from '../src/harness/explore/scratch-data.js'

/** Milliseconds by what they were spent on. */
export interface Profile {
  /** On the clock; the parts of an exploration overlap only where one says so. */
  readonly wall: Readonly<Record<string, number>>
  /** In this process, by whose code was running. */
  readonly cpu: Readonly<Record<string, number>>
}

/** Who a file belongs to; the first that matches. */
const OWNERS: readonly (readonly [string, RegExp])[] = [
  ['Prisma', /@prisma|query_compiler|wasm|src\/generated/],
  ['driver of the actors (pg)', /node_modules\/pg/],
  ['control connection (postgres)', /node_modules\/postgres/],
  ['explorer', /\/src\/(?:harness|explorer|adapter)/],
  ['rowlock', /\/src\//],
  ['Node', /^node:|^$/],
]

/** Runs `work`, and tells what its time went to. */
export async function profile<R>(work: () => Promise<R>): Promise<Profile & { readonly result: R }> {
  const wall: Record<string, number> = {}
  const restore = [
    clockMethod(wall, ScratchData.prototype, 'reset', 'reset'),
    clockMethod(wall, ScratchData.prototype, 'readState', 'final rows'),
    clockMethod(wall, InvariantJudge.prototype, 'judge', 'invariant'),
    clockMethod(wall, pg.Client.prototype, 'query', 'statements in PostgreSQL'),
  ]
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  const begun = performance.now()
  try {
    const result = await work()
    wall['all'] = performance.now() - begun
    const { profile: recorded } = await session.post('Profiler.stop')
    return { result, wall, cpu: byOwner(recorded) }
  } finally {
    session.disconnect()
    for (const undo of restore) undo()
  }
}

/** Adds up the time during which at least one call is under way. */
function clockMethod(wall: Record<string, number>, prototype: object, method: string, what: string): () => void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>
  const original = methods[method]!
  let running = 0
  let since = 0
  wall[what] = 0
  const end = () => {
    if (--running === 0) wall[what]! += performance.now() - since
  }
  methods[method] = function (this: unknown, ...args) {
    const result = original.apply(this, args)
    if (!(result instanceof Promise)) return result
    if (running++ === 0) since = performance.now()
    result.then(end, end)
    return result
  }
  return () => {
    methods[method] = original
  }
}

function byOwner({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Record<string, number> {
  const owners = new Map(nodes.map(({ id, callFrame: { functionName, url } }) => [id, ownerOf(functionName, url)]))
  const cpu: Record<string, number> = {}
  samples.forEach((id, index) => {
    const owner = owners.get(id)!
    cpu[owner] = (cpu[owner] ?? 0) + (timeDeltas[index] ?? 0) / 1_000
  })
  return cpu
}

function ownerOf(functionName: string, url: string): string {
  if (functionName === '(idle)') return 'idle: waiting for PostgreSQL'
  if (functionName === '(garbage collector)') return 'garbage collection'
  return OWNERS.find(([, files]) => files.test(url))?.[0] ?? 'others'
}
