import { extname } from 'node:path'
import type { PrismaClient } from '../../generated/prisma/client.js'
import { raceProcesses } from '../../harness/race-processes.js'
import type { RaceResult } from '../../harness/race-result.js'
import { isRight, type DemoVersionResult } from '../../report/demo-result.js'
import { lastLineOf } from '../../report/plain-text.js'
import type { ActorInput, ActorValue } from './actor.js'
import type { DemoListener } from './demo-event.js'
import type { Scenario, ScenarioVersion, Stage } from './scenario.js'

/**
 * A naive version that is right was lucky, and gets this many races to lose one. On two busy cores the
 * luckiest, the four orders, are right in one race of ten.
 */
const MOST_ROUNDS = 10
/** Far above what any race takes: a race that hangs ends with a report of who was waiting. */
const DEADLINE = 60_000

/** What every race of a demo needs. */
export interface RaceContext {
  readonly url: string
  readonly prisma: PrismaClient
  readonly signal: AbortSignal
  readonly onEvent: DemoListener
}

/** Races one version of a scenario, a naive one until it is wrong. */
export async function raceVersion(scenario: Scenario, version: ScenarioVersion, context: RaceContext): Promise<DemoVersionResult> {
  for (let round = 1; ; round++) {
    context.onEvent({ type: 'version', version: version.version, round })
    const result = await raceOnce(scenario, version, round, context)
    if (version.version === 'naive' && isRight(result) && round < MOST_ROUNDS) continue
    context.onEvent({ type: 'version-done', result })
    return result
  }
}

async function raceOnce(
  scenario: Scenario,
  version: ScenarioVersion,
  rounds: number,
  { url, prisma, signal, onEvent }: RaceContext,
): Promise<DemoVersionResult> {
  const { processes, requests, concurrency, poolSize, expected } = scenario
  const stage = await scenario.prepare(prisma)
  const input: ActorInput<unknown> = { url, poolSize, rows: stage.rows, warmUpRows: await prepareWarmUp(scenario, prisma) }
  const race = await raceProcesses<ActorValue>({
    ...{ processes, requests, concurrency, input, signal, deadline: DEADLINE },
    module: actorsOf(version),
    exportName: version.exportName,
    onProgress: (progress) => onEvent({ type: 'racing', progress }),
  })
  const { lost, findings } = await stage.examine(race)
  return {
    version: version.version,
    attempts: requests,
    succeeded: race.fulfilled,
    expected,
    lost,
    duration: race.duration,
    deadlocksRetried: race.values.reduce((sum, { deadlocksRetried }) => sum + deadlocksRetried, 0),
    rounds,
    errors: race.errors,
    findings: [...describeErrors(race, scenario.refusals), ...findings],
  }
}

/** Beside this file, with its ending: TypeScript when rowlock runs from its source. */
function actorsOf({ version }: ScenarioVersion): URL {
  const side = version === 'naive' ? 'naive' : 'locked'
  return new URL(`./${side}-actors${extname(import.meta.url)}`, import.meta.url)
}

async function prepareWarmUp(scenario: Scenario, prisma: PrismaClient): Promise<Stage['rows'][]> {
  const stages = await Promise.all(Array.from({ length: scenario.processes }, () => scenario.prepare(prisma)))
  return stages.map(({ rows }) => rows)
}

/** A refusal is an answer; every other error is one that a caller did not deserve. */
function describeErrors({ errors, errorSamples }: RaceResult<ActorValue>, refusals: readonly string[]): string[] {
  return Object.entries(errors)
    .filter(([key]) => !refusals.includes(key))
    .map(([key, count]) => {
      const message = lastLineOf(errorSamples[key]?.message ?? '')
      return `${count} ${count === 1 ? 'request' : 'requests'} failed with ${key}: ${message}`
    })
}
