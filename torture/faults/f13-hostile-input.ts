import * as lockers from 'rowlock/lockers'
import * as main from 'rowlock'
import * as repositories from 'rowlock/repositories'
import * as testing from 'rowlock/testing'
import type { Fault, Outcome, Plan } from '../fault.js'
import { NAIVE } from '../hostile/naive.js'
import { runCommands } from '../hostile/commands.js'
import { runTarget } from '../hostile/run-target.js'
import { SentStatements } from '../hostile/sent-statements.js'
import type { Target } from '../hostile/target.js'
import { FUNCTIONS, isNoFunction, METHODS } from '../hostile/targets.js'
import { createWorld } from '../hostile/world.js'

const NOTES_SHOWN = 10

/** An export that is in no table would be called by nobody. */
function assertComplete(): void {
  const exported = Object.entries({ ...main, ...repositories, ...lockers, ...testing }).filter(([, one]) => !isNoFunction(one))
  const missing = exported.map(([name]) => name).filter((name) => !(name in FUNCTIONS))
  const gone = Object.keys(FUNCTIONS).filter((name) => !exported.some(([other]) => other === name))
  if (missing.length + gone.length > 0)
    throw new Error(`Not called with hostile input: ${missing.join(', ')}; not there: ${gone.join(', ')}.`)
}

async function callAll(targets: Readonly<Record<string, Target>>, plan: Plan): Promise<Required<Pick<Outcome, 'notes'>> & Outcome> {
  using statements = new SentStatements()
  await using world = await createWorld()
  const sum = { faults: 0, operations: 0, untyped: 0, stuck: 0, left: 0 }
  const found: string[] = []
  let reached = 0
  for (const [name, target] of Object.entries(targets)) {
    if (plan.signal.aborted) break
    const calls = Math.ceil(plan.size * (target.share ?? 1))
    const seed = Math.floor(plan.random() * 2 ** 31)
    const started = performance.now()
    const result = await runTarget(target, { world, statements, calls, seed, signal: plan.signal })
    plan.progress(`${name}: ${result.calls} calls, ${result.reached} to the database, ${Math.round(performance.now() - started)} ms`)
    sum.faults += result.calls
    sum.operations += result.calls
    reached += result.reached
    for (const kind of ['untyped', 'stuck', 'left'] as const) {
      sum[kind] += result[kind].length
      found.push(...result[kind].slice(0, 3).map((what) => `${kind}: ${name} with ${what}`))
    }
  }
  found.push(...statements.injected.slice(0, NOTES_SHOWN).map((text) => `in SQL: ${text}`))
  const note = `${Object.keys(targets).length} functions; ${reached} of ${sum.operations} calls came to the database, with ${statements.sent} statements`
  return { ...sum, wrong: statements.injected.length, notes: [note, ...found] }
}

async function run(plan: Plan): Promise<Outcome> {
  assertComplete()
  const calls = await callAll({ ...FUNCTIONS, ...METHODS }, plan)
  const commands = await runCommands(plan)
  return {
    ...calls,
    faults: calls.faults + commands.faults,
    operations: calls.operations + commands.operations,
    untyped: (calls.untyped ?? 0) + (commands.untyped ?? 0),
    stuck: (calls.stuck ?? 0) + (commands.stuck ?? 0),
    notes: [...calls.notes, ...(commands.notes ?? [])],
  }
}

/** Callers who give every public function everything but what it wants. */
export const hostileInput: Fault = {
  id: 'F13',
  title: 'hostile input',
  how: 'fast-check: values of every kind in every argument of every public function, as many calls of each, and on the command line',
  // Of each function.
  sizes: { full: 10_000, ci: 1_000, unit: 'calls' },
  run,
  controls: [
    { without: 'the checks of arguments', breaks: 'untyped', size: 200, run: (plan) => callAll({ withdraw: NAIVE.unchecked }, plan) },
    {
      without: 'parameters, the SQL put together of text',
      breaks: 'wrong',
      size: 200,
      run: (plan) => callAll({ withdraw: NAIVE.concatenated }, plan),
    },
    {
      without: 'giving the connection back after an error',
      breaks: 'left',
      size: 20,
      run: (plan) => callAll({ withdraw: NAIVE.leaking }, plan),
    },
  ],
}
