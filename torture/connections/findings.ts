import type { Outcome, Tally } from '../fault.js'

const SHOWN = 3

/** What a run has found wrong: how often, and the first of each kind in words. */
export class Findings {
  readonly #tally = new Map<keyof Tally, number>()
  readonly #shown = new Map<keyof Tally, number>()
  readonly #notes: string[] = []

  add(kind: keyof Tally, words: string): void {
    this.#tally.set(kind, (this.#tally.get(kind) ?? 0) + 1)
    const shown = this.#shown.get(kind) ?? 0
    this.#shown.set(kind, shown + 1)
    if (shown < SHOWN) this.#notes.push(`${kind}: ${words}`)
  }

  /** What was counted elsewhere, and its words. */
  addTally(tally: Partial<Tally>, notes: readonly string[]): void {
    for (const [kind, count] of Object.entries(tally) as [keyof Tally, number][]) {
      this.#tally.set(kind, (this.#tally.get(kind) ?? 0) + count)
    }
    this.#notes.push(...notes)
  }

  /** Something worth knowing that is not wrong. */
  note(words: string): void {
    this.#notes.push(words)
  }

  get result(): Omit<Outcome, 'faults' | 'operations'> {
    return { ...Object.fromEntries(this.#tally), notes: this.#notes }
  }
}
