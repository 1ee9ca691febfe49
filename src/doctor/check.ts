import type { ClientFacts } from './facts/client-facts.js'
import type { DatabaseFacts } from './facts/database-facts.js'
import type { SchemaFacts } from './facts/schema-facts.js'
import type { SourceFacts } from './facts/source-facts.js'
import type { Remark } from './finding.js'

/** What was found out about a project. What could not be is not there. */
export interface Facts {
  readonly client?: ClientFacts
  readonly database?: DatabaseFacts
  readonly schema?: SchemaFacts
  readonly source?: SourceFacts
}

export type FactKind = keyof Facts

/** The facts with those that a check cannot do without. */
export type FactsWith<Need extends FactKind> = Facts & Required<Pick<Facts, Need>>

/** One thing to look at: a pure function of the facts. */
export interface Check<Need extends FactKind = FactKind> {
  readonly name: string
  /** Where in the documentation the reasons are. */
  readonly docs: string
  /** The facts without which there is nothing to look at. */
  readonly needs: readonly Need[]
  /** One remark or more: also what is well is said. */
  run(facts: FactsWith<Need>): readonly Remark[]
}

/** A check as one of many, which is run only when the facts that it needs are there. */
export function defineCheck<Need extends FactKind>(check: Check<Need>): Check {
  return check as unknown as Check
}

/** Prisma's default, for when no client was given. In milliseconds. */
const PRISMA_TIMEOUT = 5_000

/** How long a transaction may take, in milliseconds. */
export const transactionTimeout = ({ client }: Facts): number => client?.transaction.timeout ?? PRISMA_TIMEOUT
