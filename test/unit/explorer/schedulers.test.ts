import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BoundedScheduler } from '../../../src/explorer/bounded-scheduler.js'
import { CompleteScheduler } from '../../../src/explorer/complete-scheduler.js'
import { RandomScheduler } from '../../../src/explorer/random-scheduler.js'
import {
  choicesOf,
  countPreemptions,
  type Decision,
  type Footprint,
  formatSchedule,
  type Option,
  parseSchedule,
} from '../../../src/explorer/schedule.js'
import { type Chooser, following, type Scheduler } from '../../../src/explorer/scheduler.js'

/** A step of a model program: its footprint, and what it does to a memory of named numbers. */
interface Step {
  readonly reads: string
  readonly writes: string | undefined
}
type Program = readonly Step[]

const footprint = ({ reads, writes }: Step): Footprint => ({
  reads: new Set([reads]),
  writes: new Set(writes ? [writes] : []),
  publishes: new Set(writes ? [writes] : []),
  takesSnapshot: false,
  unknown: false,
})

/** Runs model programs: every step adds what it reads to a private sum, and writes that sum. */
function runModel(programs: readonly Program[], choose: Chooser): { decisions: Decision[]; result: string | undefined } {
  const memory: Record<string, number> = { x: 1, y: 2, z: 3 }
  const at = programs.map(() => 0)
  const sums = programs.map((_, actor) => actor + 1)
  const decisions: Decision[] = []
  let current: number | undefined
  for (;;) {
    const options: Option[] = programs.flatMap((program, actor) =>
      at[actor]! < program.length ? [{ choice: { kind: 'step' as const, actor }, footprint: footprint(program[at[actor]!]!) }] : [],
    )
    if (options.length === 0) return { decisions, result: JSON.stringify([memory, sums]) }
    const going = options.some(({ choice }) => choice.actor === current) ? current : undefined
    const taken = choose(options, going, decisions.length)
    if (taken === undefined) return { decisions, result: undefined }
    decisions.push({ options, taken, current: going })
    const { actor } = options[taken]!.choice
    const { reads, writes } = programs[actor]![at[actor]!++]!
    sums[actor] = sums[actor]! * 3 + memory[reads]!
    if (writes) memory[writes] = sums[actor]!
    current = actor
  }
}

function drain(programs: readonly Program[], scheduler: Scheduler) {
  const results = new Set<string>()
  const schedules: string[] = []
  for (let choose = scheduler.next(); choose; choose = scheduler.next()) {
    const { decisions, result } = runModel(programs, choose)
    scheduler.ran(decisions)
    if (result === undefined) continue
    results.add(result)
    schedules.push(formatSchedule(choicesOf(decisions)))
  }
  return { results, schedules }
}

const step: fc.Arbitrary<Step> = fc.record({
  reads: fc.constantFrom('x', 'y', 'z'),
  writes: fc.option(fc.constantFrom('x', 'y', 'z'), { nil: undefined }),
})
const programs = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 3 })

describe('complete', () => {
  test('two actors of three steps have 20 schedules, three of two have 90, each run once', () => {
    const same = (steps: number): Program => Array.from({ length: steps }, () => ({ reads: 'x', writes: 'x' }))
    for (const [model, count] of [
      [[same(3), same(3)], 20],
      [[same(2), same(2), same(2)], 90],
    ] as const) {
      const { schedules } = drain(model, new CompleteScheduler({ reduce: false }))
      expect(schedules).toHaveLength(count)
      expect(new Set(schedules).size).toBe(count)
    }
  })

  test('steps that depend on nothing need one schedule', () => {
    const model: Program[] = [[{ reads: 'x', writes: undefined }], [{ reads: 'y', writes: undefined }]]
    expect(drain(model, new CompleteScheduler()).schedules).toHaveLength(1)
  })

  test('the reduced search finds every result of the full one, on 1,000 generated programs', () => {
    let reducedRuns = 0
    let fullRuns = 0
    fc.assert(
      fc.property(programs, (model) => {
        const full = drain(model, new CompleteScheduler({ reduce: false }))
        const reduced = drain(model, new CompleteScheduler())
        expect(reduced.results).toEqual(full.results)
        fullRuns += full.schedules.length
        reducedRuns += reduced.schedules.length
      }),
      { numRuns: 1_000 },
    )
    // A reduction that never reduces would pass, too.
    expect(reducedRuns).toBeLessThan(fullRuns / 2)
  })
})

describe('bounded', () => {
  test('with a large bound runs every schedule once, fewest preemptions first', () => {
    fc.assert(
      fc.property(programs, (model) => {
        const bounded = new BoundedScheduler(99)
        const preemptions: number[] = []
        const schedules: string[] = []
        for (let choose = bounded.next(); choose; choose = bounded.next()) {
          const { decisions } = runModel(model, choose)
          bounded.ran(decisions)
          preemptions.push(countPreemptions(decisions))
          schedules.push(formatSchedule(choicesOf(decisions)))
        }
        expect(bounded.exhausted).toBe(true)
        expect(preemptions).toEqual([...preemptions].sort((a, b) => a - b))
        expect([...schedules].sort()).toEqual(drain(model, new CompleteScheduler({ reduce: false })).schedules.sort())
      }),
      { numRuns: 200 },
    )
  })

  test('with bound 0 runs the serial orders only', () => {
    const model: Program[] = Array.from({ length: 3 }, () => [
      { reads: 'x', writes: 'x' },
      { reads: 'y', writes: 'y' },
    ])
    expect(drain(model, new BoundedScheduler(0)).schedules.sort()).toEqual([
      '0 0 1 1 2 2',
      '0 0 2 2 1 1',
      '1 1 0 0 2 2',
      '1 1 2 2 0 0',
      '2 2 0 0 1 1',
      '2 2 1 1 0 0',
    ])
  })
})

describe('random', () => {
  const model: Program[] = [0, 1].map(() => Array.from({ length: 4 }, () => ({ reads: 'x', writes: 'x' })))
  const sample = (seed: number, runs: number) => {
    const scheduler = new RandomScheduler(seed)
    return Array.from({ length: runs }, () => {
      const { decisions } = runModel(model, scheduler.next())
      scheduler.ran(decisions)
      return formatSchedule(choicesOf(decisions))
    })
  }

  test('the same seed gives the same schedules, another seed others', () => {
    expect(sample(7, 50)).toEqual(sample(7, 50))
    expect(sample(7, 50)).not.toEqual(sample(8, 50))
  })

  test('a thousand runs reach most of the 70 schedules', () => {
    expect(new Set(sample(1, 1_000)).size).toBeGreaterThan(50)
  })
})

test('a schedule survives its text', () => {
  const choices = [{ kind: 'step', actor: 0 } as const, { kind: 'victim', actor: 12 } as const, { kind: 'step', actor: 1 } as const]
  expect(parseSchedule(formatSchedule(choices))).toEqual(choices)
  expect(parseSchedule('')).toEqual([])
})

test('a schedule that the run does not offer is an error that says what was offered', () => {
  const model: Program[] = [[{ reads: 'x', writes: 'x' }]]
  expect(() => runModel(model, following(parseSchedule('1')))).toThrow('At step 1 the schedule wants step 1, but the run offers step 0.')
})
