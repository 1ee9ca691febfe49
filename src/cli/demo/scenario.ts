import type { PrismaClient } from '../../generated/prisma/client.js'
import type { RaceResult } from '../../harness/race-result.js'
import type { DemoLoss, DemoVersionName } from '../../report/demo-result.js'
import type { ActorValue } from './actor.js'

/** What was found in the database after a race. */
export interface Examination {
  readonly lost: DemoLoss
  /** What is wrong, a sentence each; empty when the database holds what it should. */
  readonly findings: readonly string[]
}

/** The rows of one race, and how to tell afterwards whether they are as they should be. */
export interface Stage {
  /** Plain data for the worker processes. */
  readonly rows: unknown
  examine(race: RaceResult<ActorValue>): Promise<Examination>
}

/** A way of writing an operation, and the modules' export that runs it. */
export interface ScenarioVersion {
  readonly version: DemoVersionName
  readonly exportName: string
}

/** One race of the demo, run with each of its versions on rows of its own. */
export interface Scenario {
  /** As on the command line and in JSON. */
  readonly name: string
  readonly title: string
  /** What is raced, for a reader who knows nothing. */
  readonly raced: string
  /** What should come out. */
  readonly rule: string
  readonly processes: number
  readonly requests: number
  /** Requests in flight at a time, over all processes. */
  readonly concurrency: number
  /** Connections of each process. */
  readonly poolSize: number
  /** How many requests should succeed. */
  readonly expected: number
  /** The errors with which the others should be refused; every other error is a finding. */
  readonly refusals: readonly string[]
  readonly versions: readonly ScenarioVersion[]
  /** Makes new rows, which no other race touches. */
  prepare(prisma: PrismaClient): Promise<Stage>
}
