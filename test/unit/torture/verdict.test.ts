import { describe, expect, test } from 'vitest'
import type { Control, Fault, Outcome } from '../../../torture/fault.js'
import { type Listener, runFault, type RunOptions } from '../../../torture/run-faults.js'
import { COLUMNS, describeControl, describeRun, isGreen } from '../../../torture/verdict.js'

const CLEAN: Outcome = { faults: 3, operations: 9 }
const options: RunOptions = { ci: true, seed: 7, size: undefined, signal: new AbortController().signal }
const silent: Listener = { progress: () => undefined, ran: () => undefined, control: () => undefined }

const control = (run: Control['run']): Control => ({ without: 'the lock', breaks: 'lost', size: 2, run })
const fault = (run: Fault['run'], more: Partial<Fault> = {}): Fault => ({
  ...{ id: 'F0', title: 'nothing', how: 'not at all', sizes: { full: 100, ci: 3, unit: 'kills' }, run, controls: [] },
  ...more,
})
const clean = async () => CLEAN

describe('a run is green', () => {
  test('when nothing was lost and every control has found what it breaks', async () => {
    const result = await runFault(fault(clean, { controls: [control(async () => ({ ...CLEAN, lost: 2 }))] }), options, silent)
    expect(isGreen(result)).toBe(true)
    expect(describeRun(result.ran!, 'kills')).toMatch(/^3 kills, 9 operations, nothing lost, \d+\.\d s$/)
    expect(describeControl(result.controls[0]!)).toBe('found 2 lost without the lock')
  })

  test('when it cannot run here, which it says', async () => {
    const result = await runFault(fault(clean, { unavailable: async () => 'no such thing' }), options, silent)
    expect(result).toMatchObject({ unavailable: 'no such thing', controls: [] })
    expect(isGreen(result)).toBe(true)
  })
})

describe('a run is red', () => {
  test.each(COLUMNS)('when something is counted as %s', async (column) => {
    expect(
      isGreen(
        await runFault(
          fault(async () => ({ ...CLEAN, [column]: 1 })),
          options,
          silent,
        ),
      ),
    ).toBe(false)
  })

  test('when nothing was inflicted, or nothing met it', async () => {
    expect(
      isGreen(
        await runFault(
          fault(async () => ({ ...CLEAN, faults: 0 })),
          options,
          silent,
        ),
      ),
    ).toBe(false)
    expect(
      isGreen(
        await runFault(
          fault(async () => ({ ...CLEAN, operations: 0 })),
          options,
          silent,
        ),
      ),
    ).toBe(false)
  })

  test('when it fails, and its controls run all the same', async () => {
    const failing = fault(() => Promise.reject(new Error('no server')), { controls: [control(async () => ({ ...CLEAN, lost: 1 }))] })
    const result = await runFault(failing, options, silent)
    expect(isGreen(result)).toBe(false)
    expect(describeRun(result.ran!, 'kills')).toContain('FAILED')
    expect(result.controls).toHaveLength(1)
  })

  test.each<[string, Control['run']]>([
    ['finds nothing', clean],
    ['finds something else', async () => ({ ...CLEAN, doubled: 1 })],
    ['fails', () => Promise.reject(new Error('no server'))],
  ])('when a control %s', async (_, run) => {
    const result = await runFault(fault(clean, { controls: [control(run)] }), options, silent)
    expect(isGreen(result)).toBe(false)
    expect(describeControl(result.controls[0]!)).toContain('BLIND')
  })
})

test('a run has the size and the choices of its plan', async () => {
  const choices: number[] = []
  const choosing = fault(async ({ size, random }) => {
    choices.push(size, random())
    return CLEAN
  })
  await runFault(choosing, options, silent)
  await runFault(choosing, { ...options, ci: false }, silent)
  await runFault(choosing, { ...options, size: 5, seed: 8 }, silent)
  const [ciSize, first, fullSize, again, ownSize, other] = choices
  expect([ciSize, fullSize, ownSize]).toEqual([3, 100, 5])
  expect(again).toBe(first)
  expect(other).not.toBe(first)
})

test('a run that was told to end says how far it came', async () => {
  const told = AbortSignal.abort()
  const ended = runFault(
    fault(({ signal }) => Promise.resolve({ ...CLEAN, faults: signal.aborted ? 1 : 0 })),
    { ...options, signal: told },
    silent,
  )
  expect(await ended).toMatchObject({ ran: { outcome: { faults: 1 } } })
})
