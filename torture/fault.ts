/** What must be zero after the system has healed. */
export interface Tally {
  /** Acknowledged as done, and not there. */
  readonly lost: number
  /** There more than once. */
  readonly doubled: number
  /** There, and nobody intended it. */
  readonly phantoms: number
  /** Acknowledged as not done, and there. */
  readonly falseNegatives: number
  /** Of unknown outcome, and not settled by its idempotency key, or settled wrongly. */
  readonly unresolved: number
  /** Balances that are not the sum of their entries, and other broken invariants. */
  readonly wrong: number
  /** Transactions, locks, leases of dead owners, connections, rejections that nobody handled. */
  readonly left: number
  /** Calls and pending work that did not end within their bound. */
  readonly stuck: number
  /** Errors of no class of rowlock's, or of the wrong one. */
  readonly untyped: number
}

export interface Outcome extends Partial<Tally> {
  /** How many of the faults were inflicted, each verified. */
  readonly faults: number
  /** How many calls of rowlock's they met. */
  readonly operations: number
  /** What else a reader should know, such as how often the outcome was unknown. */
  readonly notes?: readonly string[]
}

export interface Plan {
  /** How many faults to inflict. */
  readonly size: number
  /** From 0 up to 1, by the run's seed: the same in every run with it. Time and the machine still differ. */
  readonly random: () => number
  /** Aborted when the run is to end. */
  readonly signal: AbortSignal
  /** Where it is, for who waits. */
  readonly progress: (text: string) => void
}

/** The same run with what protects taken out. It must find what it `breaks`, or the check is blind. */
export interface Control {
  /** What was taken out, such as 'without the token check'. */
  readonly without: string
  readonly breaks: keyof Tally
  readonly size: number
  run(plan: Plan): Promise<Outcome>
}

/** One line of the table. */
export interface Fault {
  readonly id: string
  readonly title: string
  /** By what means it is inflicted, in a few words. */
  readonly how: string
  /** Faults to inflict. */
  readonly sizes: { readonly full: number; readonly ci: number; readonly unit: string }
  run(plan: Plan): Promise<Outcome>
  readonly controls: readonly Control[]
  /** Why it cannot run here, in a sentence; undefined when it can. */
  unavailable?(): Promise<string | undefined>
}
