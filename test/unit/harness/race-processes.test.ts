import { spawn, type ChildProcess } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { getEventListeners, once } from 'node:events'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { RaceAbortedError, RaceDeadlineError, RaceProcessError } from '../../../src/harness/race-errors.js'
import { raceProcesses, type RaceProcessesOptions } from '../../../src/harness/race-processes.js'

const support = new URL('../../support/', import.meta.url)
/** Every process that the current test has started. */
let children: ChildProcess[] = []
const onChild = (message: unknown): void => {
  children.push((message as { process: ChildProcess }).process)
}

beforeAll(() => subscribe('child_process', onChild))
afterAll(() => unsubscribe('child_process', onChild))
beforeEach(() => {
  children = []
})

afterEach(() => {
  expect(children.filter((child) => child.exitCode === null && child.signalCode === null)).toEqual([])
  expect(children.filter((child) => child.connected)).toEqual([])
})

function start<Value>(exportName: string, options: Partial<RaceProcessesOptions> = {}) {
  const module = new URL('race-actors.ts', support)
  return raceProcesses<Value>({ processes: 2, requests: 4, module, exportName, deadline: 60_000, ...options })
}

async function fail(exportName: string, options: Partial<RaceProcessesOptions> = {}): Promise<unknown> {
  return start(exportName, options).then(
    () => expect.unreachable('the race should have failed'),
    (error: unknown) => error,
  )
}

test('raceProcesses deals the requests evenly to processes of their own', async () => {
  const result = await start<{ actor: number; index: number; pid: number; input: unknown }>('echo', {
    processes: 3,
    requests: 8,
    concurrency: 4,
    input: { user: 1n },
  })
  expect(result).toMatchObject({ requests: 8, concurrency: 4, fulfilled: 8, rejected: 0, unsettled: 0 })
  expect(result.values.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(result.values.map(({ actor }) => actor)).toEqual([0, 1, 2, 0, 1, 2, 0, 1])
  expect(new Set(result.values.map(({ pid }) => pid))).toEqual(new Set(children.map(({ pid }) => pid)))
  expect(result.values.every(({ pid }) => pid !== process.pid)).toBe(true)
  expect(result.values[0]?.input).toEqual({ user: 1n })
  expect(result.latency.max).toBeGreaterThan(0)
})

test('raceProcesses starts no request before every process is connected', async () => {
  const { values } = await start<{ connectedAt: bigint; startedAt: bigint }>('barrier', { processes: 3, requests: 3 })
  const lastConnected = values
    .map(({ connectedAt }) => connectedAt)
    .sort()
    .at(-1)!
  expect(values.every(({ startedAt }) => startedAt > lastConnected)).toBe(true)
})

test('raceProcesses runs a plain function of a JavaScript module named by its path', async () => {
  const module = fileURLToPath(new URL('race-actor-plain.mjs', support))
  const result = await start<number>('addInput', { module, input: { base: 10 } })
  expect(result.values).toEqual([10, 11, 12, 13])
})

test('raceProcesses runs a plain function of a TypeScript module', async () => {
  expect((await start<number>('plainFunction')).values).toEqual([0, 1, 2, 3])
})

test('bigint and Date cross as they are and a Decimal as its exact text', async () => {
  const { values } = await start('richValues', { processes: 1, requests: 1 })
  expect(values).toEqual([{ id: 12n, at: new Date(0), amount: '12.5', list: ['1000000000000000000000'] }])
})

test('errors cross as name, code and message', async () => {
  const result = await start<string>('refuse')
  expect(result.values).toEqual(['seat'])
  expect(result.errors).toEqual({ SOLD_OUT: 3 })
  expect(result.errorSamples['SOLD_OUT']).toMatchObject({ name: 'SoldOut', code: 'SOLD_OUT', message: 'no seat left' })
})

test.each([
  ['a module that throws', 'any', 'race-actor-broken.ts', /could not load its module: RangeError: this module does not load/],
  ['an absent module', 'any', 'absent.js', /could not load its module: .*absent\.js/],
  ['an absent export', 'absent', 'race-actors.ts', /has no export `absent`; it exports .*echo/],
  ['an export that is no actor', 'notAnActor', 'race-actors.ts', /must be a function or come from defineRaceActor/],
])('raceProcesses refuses %s', async (_, exportName, file, message) => {
  const failure = await fail(exportName, { module: new URL(file, support) })
  expect(failure).toBeInstanceOf(RaceProcessError)
  expect(failure).toMatchObject({ code: 'RACE_PROCESS_FAILED', phase: 'load', result: { notStarted: 4 } })
  expect((failure as Error).message).toMatch(message)
})

test.each([
  ['cannot connect', 'refuseConnect', { process: 1, phase: 'connect' }, /could not connect: RangeError: no such host/],
  ['exits early', 'exitEarly', { process: 1, phase: 'run', exitCode: 7 }, /Worker process 1 exited with code 7/],
  ['is killed', 'killed', { phase: 'run', exitSignal: 'SIGKILL' }, /was ended by SIGKILL before the race had ended/],
  ['crashes', 'crashOutside', { phase: 'run' }, /failed outside a request: RangeError: thrown outside the request/],
  ['returns a function', 'returnFunction', { phase: 'run' }, /cannot be copied to another process: return plain data/],
  ['cannot disconnect', 'refuseDisconnect', { phase: 'disconnect' }, /could not disconnect: RangeError: still busy/],
])('a process that %s fails the race and ends the others', async (_, exportName, fields, message) => {
  const failure = await fail(exportName)
  expect(failure).toBeInstanceOf(RaceProcessError)
  expect(failure).toMatchObject(fields)
  expect((failure as Error).message).toMatch(message)
})

test('raceProcesses ends its processes at the deadline and counts what is unsettled', async () => {
  let started = 0
  const failure = await fail('neverSettle', {
    requests: 6,
    concurrency: 4,
    // Four processes have to be started within it, on a machine that does something else as well.
    deadline: 8_000,
    onProgress: (progress) => (started = progress.started),
  })
  expect(started).toBe(4)
  expect(failure).toBeInstanceOf(RaceDeadlineError)
  expect(failure).toMatchObject({ result: { unsettled: 4, notStarted: 2, fulfilled: 0 } })
})

test('raceProcesses kills a process that is too busy to listen', async () => {
  expect(await fail('deafToSigterm', { deadline: 2_000 })).toBeInstanceOf(RaceDeadlineError)
})

test('an abort reaches the requests in the processes and leaves no listener behind', async () => {
  const controller = new AbortController()
  const failure = await fail('answerAbort', {
    signal: controller.signal,
    onProgress: ({ started }) => {
      if (started === 4) controller.abort('enough')
    },
  })
  expect(failure).toBeInstanceOf(RaceAbortedError)
  expect(failure).toMatchObject({ cause: 'enough', result: { rejected: 4, unsettled: 0, errors: { '20': 4 } } })
  expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0)
})

test('raceProcesses starts no process when its signal is already aborted', async () => {
  expect(await fail('echo', { signal: AbortSignal.abort() })).toBeInstanceOf(RaceAbortedError)
  expect(children).toEqual([])
})

test('raceProcesses ends with the error that onProgress throws', async () => {
  const onProgress = (): void => {
    throw new RangeError('from the callback')
  }
  await expect(start('echo', { onProgress })).rejects.toThrow('from the callback')
})

test('the processes end when their parent is killed', async () => {
  const script = fileURLToPath(new URL('race-orphans.ts', support))
  const parent = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pids: number[] = []
  for await (const line of createInterface({ input: parent.stdout })) {
    pids.push(Number(line.replace('pid ', '')))
    if (pids.length === 2) break
  }
  // The pipe ends when its last holder has, and the workers hold it too. Their pids prove nothing:
  // without an init process to reap them they stay as zombies.
  const ended = once(parent.stdout, 'end')
  parent.stdout.resume()
  parent.kill('SIGKILL')
  await ended
  expect(new Set(pids).size).toBe(2)
})
