/**
 * A schedule is the list of choices that make a run: at each step, which actor's next statement goes to
 * PostgreSQL, or, when PostgreSQL has to break a deadlock, which actor is the victim. The same actors
 * and the same choices give the same run.
 */
export interface Choice {
  readonly kind: 'step' | 'victim'
  /** The actor's place in the order in which the actors were given. */
  readonly actor: number
}

/** A point of a run at which there was something to choose. */
export interface Decision {
  readonly options: readonly Option[]
  /** The index of the option that was taken. */
  readonly taken: number
  /** The actor that took the step before, if it still could go on: leaving it is a preemption. */
  readonly current: number | undefined
}

/** One thing that could happen next. */
export interface Option {
  readonly choice: Choice
  /** What the step does, for the dependence relation. */
  readonly footprint: Footprint
}

/** What a statement touches, as far as another actor can notice. */
export interface Footprint {
  /** Tables read without a lock. */
  readonly reads: ReadonlySet<string>
  /** Tables whose rows are written or locked. */
  readonly writes: ReadonlySet<string>
  /** Tables whose changes become visible, or whose locks are released, with this statement. */
  readonly publishes: ReadonlySet<string>
  /** True when it takes the snapshot of a whole transaction. */
  readonly takesSnapshot: boolean
  /** True when nothing is known of it: it then depends on everything. */
  readonly unknown: boolean
}

export const sameChoice = (a: Choice, b: Choice): boolean => a.kind === b.kind && a.actor === b.actor

/** How often a run left an actor that could have gone on. */
export function countPreemptions(decisions: readonly Decision[]): number {
  return decisions.filter(isPreemption).length
}

export function isPreemption({ options, taken, current }: Decision): boolean {
  const { choice } = options[taken]!
  return current !== undefined && choice.kind === 'step' && choice.actor !== current
}

/** The choices of a run, in order. */
export function choicesOf(decisions: readonly Decision[]): Choice[] {
  return decisions.map(({ options, taken }) => options[taken]!.choice)
}

/** A schedule as text: `0 0 1 v0 1`, and back. */
export const formatSchedule = (choices: readonly Choice[]): string =>
  choices.map(({ kind, actor }) => (kind === 'victim' ? `v${actor}` : String(actor))).join(' ')

export function parseSchedule(text: string): Choice[] {
  return text
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => ({ kind: part.startsWith('v') ? 'victim' : 'step', actor: Number(part.replace('v', '')) }))
}
