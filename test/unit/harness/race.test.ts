import { AsyncLocalStorage, createHook } from 'node:async_hooks'
import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { InvalidOptionError } from '../../../src/core/errors.js'
import { RaceAbortedError, RaceClientError, RaceDeadlineError } from '../../../src/harness/race-errors.js'
import { race } from '../../../src/harness/race.js'
import type { RaceProgress } from '../../../src/harness/race-result.js'

const never = (): Promise<never> => new Promise<never>(() => undefined)

class SoldOut extends Error {
  readonly code = 'SOLD_OUT'
}
class Refused extends Error {}

test('race has exactly concurrency requests in flight until none is left to start', async () => {
  let inFlight = 0
  const seen: number[] = []
  const result = await race({
    requests: 20,
    concurrency: 6,
    run: async ({ index }) => {
      seen.push(++inFlight)
      for (let turn = 0; turn < 1 + (index % 3); turn++) await new Promise((resolve) => setImmediate(resolve))
      inFlight--
    },
  })
  expect(Math.max(...seen)).toBe(6)
  expect(seen.slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6])
  expect(result).toMatchObject({ requests: 20, concurrency: 6, fulfilled: 20, rejected: 0, unsettled: 0 })
})

test('race starts the first requests in one go, before anything else can run', async () => {
  const events: string[] = []
  await race({
    requests: 3,
    run: ({ index }) => {
      events.push(`start ${index}`)
      queueMicrotask(() => events.push(`microtask ${index}`))
    },
  })
  expect(events.slice(0, 3)).toEqual(['start 0', 'start 1', 'start 2'])
})

test('race starts no request before the last client is ready', async () => {
  const events: string[] = []
  let openLast = (): void => undefined
  const last = new Promise<void>((resolve) => (openLast = resolve))
  const running = race({
    requests: 2,
    client: async (actor) => {
      if (actor === 1) await last
      return { actor, $connect: () => events.push(`connect ${actor}`) }
    },
    run: ({ client }) => events.push(`run ${client.actor}`),
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(events).toEqual(['connect 0'])
  openLast()
  await running
  expect(events).toEqual(['connect 0', 'connect 1', 'run 0', 'run 1'])
})

test('race starts all requests at once when no concurrency is given', async () => {
  let started = 0
  let release = (): void => undefined
  const all = new Promise<void>((resolve) => (release = resolve))
  await race({
    requests: 30,
    run: () => {
      if (++started === 30) release()
      return all
    },
  })
  expect(started).toBe(30)
})

test('race returns the values in the order of their requests, whatever order they settle in', async () => {
  const resolvers: (() => void)[] = []
  const result = await race({
    requests: 5,
    run: ({ index }) =>
      new Promise<number>((resolve) => {
        resolvers[index] = () => resolve(index)
        if (index === 4) for (const settle of resolvers.reverse()) settle()
      }),
  })
  expect(result.values).toEqual([0, 1, 2, 3, 4])
})

test('race counts errors by code, else by class, and keeps the first of each', async () => {
  const thrown = [new SoldOut('none left'), new SoldOut('still none'), new Refused('no'), 'text', null]
  const result = await race({
    requests: 5,
    run: ({ index }) => {
      throw thrown[index]
    },
  })
  expect(result.errors).toEqual({ SOLD_OUT: 2, Refused: 1, 'thrown string': 1, 'thrown object': 1 })
  expect(result.errorSamples['SOLD_OUT']).toEqual({
    index: 0,
    name: 'SoldOut',
    code: 'SOLD_OUT',
    message: 'none left',
    error: thrown[0],
  })
  expect(result.rejected).toBe(5)
})

test('race measures latencies in milliseconds, in order', async () => {
  const { latency, longestWait, duration } = await race({ requests: 50, concurrency: 5, run: () => null })
  expect(latency.p50).toBeGreaterThan(0)
  expect(latency.p95).toBeGreaterThanOrEqual(latency.p50)
  expect(latency.p99).toBeGreaterThanOrEqual(latency.p95)
  expect(latency.max).toBeGreaterThanOrEqual(latency.p99)
  expect(longestWait).toBe(latency.max)
  expect(duration).toBeGreaterThanOrEqual(latency.max)
})

test('race gives all actors a shared client and leaves it open', async () => {
  const client = { closed: false, $disconnect: () => (client.closed = true) }
  const result = await race({ requests: 4, concurrency: 2, client, run: (context) => context.client === client })
  expect(result.values).toEqual([true, true, true, true])
  expect(client.closed).toBe(false)
})

test('race makes one client for each actor and closes each once', async () => {
  const closed: number[] = []
  const made: number[] = []
  const result = await race({
    requests: 9,
    concurrency: 3,
    client: (actor) => {
      made.push(actor)
      return actor === 0 ? { actor, $disconnect: () => closed.push(actor) } : { actor, [Symbol.asyncDispose]: () => closed.push(actor) }
    },
    run: async ({ client }) => {
      await Promise.resolve()
      return client.actor
    },
  })
  expect(made).toEqual([0, 1, 2])
  expect(closed).toEqual([0, 1, 2])
  expect(new Set(result.values)).toEqual(new Set([0, 1, 2]))
})

test('race closes the clients it has made when another cannot be created', async () => {
  const closed: number[] = []
  let runs = 0
  const failure = await race({
    requests: 3,
    client: (actor) => {
      if (actor === 1) throw new Refused('too many connections')
      return { $disconnect: () => closed.push(actor) }
    },
    run: () => runs++,
  }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(RaceClientError)
  expect(failure).toMatchObject({ code: 'RACE_CLIENT_FAILED', actor: 1, cause: new Refused('too many connections') })
  expect(closed).toEqual([0, 2])
  expect(runs).toBe(0)
})

test('race reports a client that cannot be closed', async () => {
  const client = () => ({ $disconnect: () => Promise.reject(new Refused('busy')) })
  const failure = await race({ requests: 1, client, run: () => 1 }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(RaceClientError)
  expect(failure).toMatchObject({ result: { fulfilled: 1 } })
})

test('race closes a client that arrives after the deadline', async () => {
  let deliver = (_: unknown): void => undefined
  const late = new Promise<unknown>((resolve) => (deliver = resolve))
  await expect(race({ requests: 1, deadline: 5, client: () => late, run: () => 1 })).rejects.toThrow(RaceDeadlineError)
  await new Promise((resolve) => deliver({ $disconnect: () => resolve('closed') }))
})

test('race counts what is unsettled at the deadline instead of hanging', async () => {
  const failure = await race({
    requests: 5,
    concurrency: 3,
    deadline: 20,
    run: ({ index }) => (index === 0 ? 'won' : never()),
  }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(RaceDeadlineError)
  expect(failure).toMatchObject({ code: 'RACE_DEADLINE', deadline: 20, retryable: false })
  const { result } = failure as RaceDeadlineError
  expect(result).toMatchObject({ fulfilled: 1, rejected: 0, unsettled: 3, notStarted: 1, values: ['won'] })
  expect(result.longestWait).toBeGreaterThan(result.latency.max)
})

test('race aborts: starts nothing more and passes the signal to what is running', async () => {
  const controller = new AbortController()
  const started: number[] = []
  const running = race({
    requests: 10,
    concurrency: 3,
    signal: controller.signal,
    run: ({ index, signal }) => {
      started.push(index)
      if (index === 2) queueMicrotask(() => controller.abort(new Refused('enough')))
      if (index === 1) return never()
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    },
  })
  const failure = await running.catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(RaceAbortedError)
  expect(failure).toMatchObject({ cause: new Refused('enough'), result: { rejected: 2, unsettled: 1, notStarted: 7 } })
  expect(started).toEqual([0, 1, 2])
})

test('race starts no second request when the first one aborts it', async () => {
  const controller = new AbortController()
  const started: number[] = []
  const run = ({ index }: { index: number }): void => {
    started.push(index)
    controller.abort()
  }
  await expect(race({ requests: 5, signal: controller.signal, run })).rejects.toThrow(RaceAbortedError)
  expect(started).toEqual([0])
})

test('race runs nothing and makes no client when its signal is already aborted', async () => {
  let calls = 0
  const options = { requests: 2, client: () => calls++, run: () => calls++, signal: AbortSignal.abort() }
  await expect(race(options)).rejects.toThrow(RaceAbortedError)
  expect(calls).toBe(0)
})

test('race refuses what only looks like a signal, before it is used', async () => {
  let uses = 0
  const use = (): never => {
    uses++
    throw new Error('used')
  }
  const signal = { aborted: false, addEventListener: use, removeEventListener: use } as unknown as AbortSignal
  await expect(race({ requests: 1, run: use, signal })).rejects.toThrow(InvalidOptionError)
  expect(uses).toBe(0)
})

test('race leaves no timer and no listener behind, however it ends', async () => {
  const open = new Set<number>()
  const inRace = new AsyncLocalStorage<true>()
  // Only its own: the test runner sets timers in this process, too.
  const hook = createHook({
    init: (id, type) => void (type === 'Timeout' && inRace.getStore() && open.add(id)),
    destroy: (id) => void open.delete(id),
  }).enable()
  let seen = 0
  await inRace.run(true, async () => {
    const controller = new AbortController()
    const { signal } = controller
    const client = () => ({ $disconnect: () => undefined })
    await race({ requests: 3, deadline: 60_000, signal, client, run: () => 1 })
    await race({ requests: 3, deadline: 5, signal, client, run: never }).catch(() => undefined)
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
    const aborted = race({ requests: 3, deadline: 60_000, signal, client, run: never }).catch(() => undefined)
    seen = open.size
    controller.abort()
    await aborted
    expect(getEventListeners(signal, 'abort')).toHaveLength(0)
  })
  await new Promise((resolve) => setImmediate(resolve))
  hook.disable()
  expect(seen, 'timers while one runs').toBeGreaterThan(0)
  expect(open).toEqual(new Set())
})

test('race ignores what settles after its end', async () => {
  let reject = (_: Error): void => undefined
  const late = new Promise<never>((_, fail) => (reject = fail))
  const failure = await race({ requests: 1, deadline: 5, run: () => late }).catch((error: unknown) => error)
  reject(new Refused('too late'))
  await new Promise((resolve) => setImmediate(resolve))
  expect((failure as RaceDeadlineError).result).toMatchObject({ rejected: 0, unsettled: 1 })
})

test('race tells its progress after every start and settlement', async () => {
  const progress: RaceProgress[] = []
  await race({ requests: 2, concurrency: 1, run: () => 1, onProgress: (now) => progress.push(now) })
  expect(progress.map(({ started, fulfilled }) => [started, fulfilled])).toEqual([
    [1, 0],
    [1, 1],
    [2, 1],
    [2, 2],
  ])
})

test('race ends with the error that onProgress throws', async () => {
  let started = 0
  const onProgress = (): void => {
    throw new Refused('from the callback')
  }
  const run = (): number => ++started
  await expect(race({ requests: 5, concurrency: 1, run, onProgress })).rejects.toThrow('from the callback')
  expect(started).toBe(0)
})

test('race ends with the error that an asynchronous onProgress rejects with', async () => {
  const onProgress = (): unknown => Promise.reject(new Refused('from the callback'))
  await expect(race({ requests: 5, concurrency: 1, run: () => 1, onProgress })).rejects.toThrow('from the callback')
})

test('an option error names the argument, what was given and what is allowed', async () => {
  const failure = await race({ requests: 3, concurrency: 4, run: () => 1 }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(InvalidOptionError)
  expect((failure as Error).message).toBe('Option `concurrency` must be an integer from 1 to 3; 4 was given.')
})
