import { AssertionError } from 'node:assert'
import { checkLedger, type LedgerClient } from 'rowlock/testing'
import type { Outcome, Tally } from './fault.js'

const SAMPLES = 3

/** What a run found wrong: how often, and the first few of each kind in words. */
export class Findings {
  readonly #counts = new Map<keyof Tally, number>()
  readonly #samples: string[] = []

  add(kind: keyof Tally, what: string): void {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    if (count <= SAMPLES) this.#samples.push(`${kind}: ${what}`)
  }

  /** Adds one unless `holds`. */
  expect(holds: boolean, kind: keyof Tally, what: string): void {
    if (!holds) this.add(kind, what)
  }

  get tally(): Partial<Tally> {
    return Object.fromEntries(this.#counts)
  }

  get samples(): readonly string[] {
    return this.#samples
  }
}

/** Adds each way in which the ledger is wrong. */
export async function findLedgerViolations(prisma: LedgerClient, findings: Findings): Promise<void> {
  try {
    await checkLedger(prisma)
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error
    for (const violation of error.actual as readonly unknown[]) findings.add('wrong', JSON.stringify(violation))
  }
}

/** Two runs as one. */
export function mergeOutcomes(one: Outcome, other: Outcome): Outcome {
  const { notes: _, ...counts } = other
  const sums = Object.entries(counts).map(([name, count]) => [name, (one[name as keyof Tally] ?? 0) + count])
  return { ...one, ...(Object.fromEntries(sums) as Outcome), notes: [...(one.notes ?? []), ...(other.notes ?? [])] }
}
