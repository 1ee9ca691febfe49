/** How an operation was written: as people first do, with retries, with locks. */
export type DemoVersionName = 'naive' | 'retried' | 'locked'

/** What a race left behind that should not be, or took away. */
export interface DemoLoss {
  /** 0 or more; money with two decimals. */
  readonly amount: number
  /** `tickets`, `money` … */
  readonly unit: string
}

/** One version of a scenario, after its race. */
export interface DemoVersionResult {
  readonly version: DemoVersionName
  /** How many requests were sent. */
  readonly attempts: number
  /** How many were told that they succeeded. */
  readonly succeeded: number
  /** How many should have been. */
  readonly expected: number
  readonly lost: DemoLoss
  /** From the start of the race to its last answer, in milliseconds. */
  readonly duration: number
  readonly deadlocksRetried: number
  /** How many races it took: a naive version that was right by luck races again. */
  readonly rounds: number
  /** How many requests failed with each error, refusals included. */
  readonly errors: Readonly<Record<string, number>>
  /** What is wrong in the database or with the answers, a sentence each. */
  readonly findings: readonly string[]
}

export interface DemoScenarioResult {
  readonly name: string
  readonly title: string
  /** What is raced, in one sentence. */
  readonly raced: string
  /** What should come out, in one sentence. */
  readonly rule: string
  readonly versions: readonly DemoVersionResult[]
}

export interface DemoResult {
  /** Where the database ran. */
  readonly database: string
  /** Of everything, in milliseconds. */
  readonly duration: number
  readonly scenarios: readonly DemoScenarioResult[]
}

/** Whether the demo showed what it is there to show. */
export interface DemoVerdict {
  readonly ok: boolean
  /** Why not, a sentence each. */
  readonly failures: readonly string[]
}

/** Whether everybody got the right answer and the database holds what it should. */
export function isRight({ succeeded, expected, lost, findings }: DemoVersionResult): boolean {
  return succeeded === expected && lost.amount === 0 && findings.length === 0
}

/**
 * Judges a demo: every naive version has to be wrong, as otherwise nothing was proved, and every other
 * version right. A demo without a scenario, or a scenario without both sides, proves nothing either.
 */
export function judgeDemo({ scenarios }: DemoResult): DemoVerdict {
  const failures = scenarios.length === 0 ? ['No scenario was run.'] : scenarios.flatMap(judgeScenario)
  return { ok: failures.length === 0, failures }
}

function judgeScenario({ title, versions }: DemoScenarioResult): string[] {
  const naive = versions.filter(({ version }) => version === 'naive')
  const others = versions.filter(({ version }) => version !== 'naive')
  if (naive.length === 0 || others.length === 0) return [`${title}: the naive or the locked version was not run.`]
  return [
    ...naive.filter(isRight).map((version) => describeLuck(title, version)),
    ...others.flatMap((version) => describeFault(title, version)),
  ]
}

function describeLuck(title: string, { rounds }: DemoVersionResult): string {
  const races = rounds === 1 ? 'the race' : `all ${rounds} races`
  return `${title}: the naive version was right in ${races}, so nothing was proved; run the demo again.`
}

function describeFault(title: string, result: DemoVersionResult): string[] {
  if (isRight(result)) return []
  const { version, succeeded, expected, findings } = result
  const reasons = findings.length > 0 ? findings : [`${succeeded} requests succeeded instead of ${expected}.`]
  return [`${title}: the ${version} version is wrong. ${reasons.join(' ')}`]
}
