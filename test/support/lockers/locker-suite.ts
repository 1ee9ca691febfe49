import { afterAll, beforeAll, describe, test } from 'vitest'
import type { TestDatabase } from '../database.js'
import { expectExclusionAcrossProcesses } from './locked-increment.js'
import { FENCING_CHECK, LOCKER_CHECKS, type LockerPair } from './locker-checks.js'

/** A locker that the suite runs on. */
export interface LockerUnderTest {
  readonly name: string
  /** Called once, before the first test. */
  readonly setup: () => Promise<LockerPair & { close?(): Promise<unknown> }>
  /** Whether its locks have fencing tokens. */
  readonly fences?: boolean
  /** How a worker process makes it: a module's export made by `lockedIncrement`. Left out for one process. */
  readonly processes?: { readonly module: URL; readonly exportName: string; readonly key?: string; readonly database: TestDatabase }
}

/** Runs every check that a locker must pass. */
export function lockerSuite({ name, setup, fences, processes }: LockerUnderTest): void {
  describe(name, () => {
    let pair: Awaited<ReturnType<typeof setup>> | undefined
    beforeAll(async () => {
      pair = await setup()
    })
    afterAll(() => pair?.close?.())

    for (const { title, check } of fences ? [...LOCKER_CHECKS, FENCING_CHECK] : LOCKER_CHECKS) {
      test(title, () => check(pair!))
    }
    if (processes) {
      test('of 100 requests of 4 processes one is at work at a time', () => expectExclusionAcrossProcesses(processes.database, processes))
    }
  })
}
