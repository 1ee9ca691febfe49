/** Actors for the tests of raceProcesses; loaded by worker processes, never by a test itself. */
import process from 'node:process'
import { Prisma } from '../../src/generated/prisma/client.js'
import { defineRaceActor } from '../../src/harness/define-race-actor.js'

export const echo = defineRaceActor({
  run: ({ input, process: actor, index }: { input: unknown; process: number; index: number }) => ({
    input,
    actor,
    index,
    pid: process.pid,
  }),
})

export function plainFunction({ index }: { index: number }): number {
  return index
}

/** Connects slowly in one process, so that only a barrier makes the others wait for it. */
export const barrier = defineRaceActor({
  connect: async ({ process: actor }: { input: unknown; process: number }) => {
    for (let turn = 0; actor === 0 && turn < 2_000; turn++) await new Promise((resolve) => setImmediate(resolve))
    return { connectedAt: process.hrtime.bigint() }
  },
  run: ({ client }) => ({ connectedAt: client.connectedAt, startedAt: process.hrtime.bigint() }),
})

export const richValues = defineRaceActor({
  run: () => ({ id: 12n, at: new Date(0), amount: new Prisma.Decimal('12.50'), list: [new Prisma.Decimal('1e21')] }),
})

class SoldOut extends Error {
  readonly code = 'SOLD_OUT'
}

export const refuse = defineRaceActor({
  run: ({ index }: { input: unknown; index: number }) => {
    if (index !== 3) throw new SoldOut('no seat left')
    return 'seat'
  },
})

export const returnFunction = defineRaceActor({ run: () => () => undefined })

export const neverSettle = defineRaceActor<{ report?: boolean }, never>({
  run: ({ input }) => {
    if (input?.report === true) console.log(`pid ${process.pid}`)
    // Keeps the event loop alive, as a waiting query does.
    return new Promise<never>(() => setInterval(() => undefined, 60_000))
  },
})

export const deafToSigterm = defineRaceActor({
  connect: () => {
    process.on('SIGTERM', () => undefined)
  },
  run: () => {
    for (;;);
  },
})

export const answerAbort = defineRaceActor({
  run: ({ signal }: { input: unknown; signal: AbortSignal }) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
})

export const exitEarly = defineRaceActor({
  run: ({ process: actor }: { input: unknown; process: number }) => {
    if (actor === 1) process.exit(7)
    return new Promise<never>(() => setInterval(() => undefined, 60_000))
  },
})

export const killed = defineRaceActor({
  run: () => {
    process.kill(process.pid, 'SIGKILL')
    return new Promise<never>(() => undefined)
  },
})

export const crashOutside = defineRaceActor({
  run: () => {
    setImmediate(() => {
      throw new RangeError('thrown outside the request')
    })
    return new Promise<never>(() => undefined)
  },
})

export const refuseConnect = defineRaceActor({
  connect: ({ process: actor }: { input: unknown; process: number }) => {
    if (actor === 1) throw new RangeError('no such host')
  },
  run: () => undefined,
})

export const refuseDisconnect = defineRaceActor({
  connect: () => ({
    $disconnect: () => {
      throw new RangeError('still busy')
    },
  }),
  run: () => undefined,
})

export const notAnActor = 42
