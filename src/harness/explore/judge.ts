import type { Exploration, Run } from './exploration.js'
import type { Outcome } from './actor.js'

/** What an invariant is told beside the client. */
export interface InvariantContext {
  /** How each actor's operation ended, by the actor's name. */
  readonly outcomes: Readonly<Record<string, Outcome>>
}

/** Throws, or returns false or a sentence, when the rows or outcomes of a run are wrong. */
export type Invariant<Client> = (prisma: Client, context: InvariantContext) => unknown

/** What is wrong with a run. */
export interface Fault {
  readonly reason: string
  readonly expected?: string
  readonly actual?: string
}

/** Looks at the rows and outcomes that a run has left. */
export interface Judge {
  /** Told the runs of the serial orders, before any other. */
  learn(run: Run): Promise<void>
  judge(run: Run): Promise<Fault | undefined>
}

/** By the caller's own words. */
export class InvariantJudge<Client> implements Judge {
  constructor(
    private readonly exploration: Exploration<Client>,
    private readonly invariant: Invariant<Client>,
  ) {}

  async learn(): Promise<void> {}

  async judge({ outcomes }: Run): Promise<Fault | undefined> {
    try {
      const verdict = await this.invariant(this.exploration.observer, { outcomes })
      if (verdict === false) return { reason: 'The invariant returned false.' }
      return typeof verdict === 'string' ? { reason: verdict } : undefined
    } catch (error) {
      const { message, expected, actual } = fieldsOf(error)
      return { reason: typeof message === 'string' ? message : String(error), ...show('expected', expected), ...show('actual', actual) }
    }
  }
}

/** By the serial orders: what some order of the operations one after another can leave is allowed. */
export class SerialJudge<Client> implements Judge {
  readonly #allowed = new Set<string>()

  constructor(private readonly exploration: Exploration<Client>) {}

  async learn(run: Run): Promise<void> {
    this.#allowed.add(await this.#result(run))
  }

  async judge(run: Run): Promise<Fault | undefined> {
    const result = await this.#result(run)
    if (this.#allowed.has(result)) return undefined
    const nearest = [...this.#allowed].sort((a, b) => distance(a, result) - distance(b, result))[0] ?? ''
    return {
      reason: 'No order of the operations one after another leaves these rows and outcomes.',
      expected: onlyIn(nearest, result),
      actual: onlyIn(result, nearest),
    }
  }

  async #result(run: Run): Promise<string> {
    return `${await this.exploration.data.readState()}\n${describeOutcomes(run.outcomes)}`
  }
}

/** The outcomes as text, without what differs from run to run: times and generated numbers. */
export function describeOutcomes(outcomes: Readonly<Record<string, Outcome>>): string {
  return Object.entries(outcomes)
    .map(([actor, outcome]) => `${actor}: ${describeOutcome(outcome)}`)
    .join('\n')
}

export function describeOutcome(outcome: Outcome): string {
  if (outcome.status === 'fulfilled') return `fulfilled ${stable(outcome.value)}`
  const { name, code } = fieldsOf(outcome.error)
  return `rejected ${typeof name === 'string' ? name : String(outcome.error)}${typeof code === 'string' ? ` ${code}` : ''}`
}

/** Anything can be thrown, also undefined. */
const fieldsOf = (error: unknown): Readonly<Record<string, unknown>> => (Object(error) === error ? (error as Record<string, unknown>) : {})

function stable(value: unknown): string {
  const text = JSON.stringify(value, (key, field: unknown) => {
    if (field instanceof Date || /^id$|Id$|At$/.test(key)) return undefined
    return typeof field === 'bigint' ? `${field}n` : field
  })
  // Dates have become text before the replacer sees them.
  return text === undefined ? '' : text.replace(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, '"(time)"')
}

const lines = (text: string) => text.split('\n')
const onlyIn = (text: string, other: string) =>
  lines(text)
    .filter((line) => !lines(other).includes(line))
    .join('\n')
const distance = (a: string, b: string) => onlyIn(a, b).length + onlyIn(b, a).length

function show<Key extends string>(key: Key, value: unknown): Partial<Record<Key, string>> {
  if (value === undefined) return {}
  return { [key]: typeof value === 'string' ? value : stable(value) } as Record<Key, string>
}
