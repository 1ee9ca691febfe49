import type { Control, Fault, Outcome, Tally } from './fault.js'

export const COLUMNS: readonly (keyof Tally)[] = [
  'lost',
  'doubled',
  'phantoms',
  'falseNegatives',
  'unresolved',
  'wrong',
  'left',
  'stuck',
  'untyped',
]

/** What became of a run: its outcome, or the error that ended it. */
export interface Ran {
  readonly outcome?: Outcome
  readonly error?: string
  readonly seconds: number
}

/** What a table says of a fault, and of a control. */
export type FaultHead = Pick<Fault, 'id' | 'title' | 'how' | 'sizes'>
export type ControlHead = Pick<Control, 'without' | 'breaks' | 'size'>

export interface ControlResult extends Ran {
  readonly control: ControlHead
}

/** Data, which a file can keep. */
export interface FaultResult {
  readonly fault: FaultHead
  /** Why it could not run here. */
  readonly unavailable?: string
  readonly ran?: Ran
  readonly controls: readonly ControlResult[]
}

/** Nothing was lost, and there was something that could have been. */
export function isClean({ outcome }: Ran): boolean {
  return outcome !== undefined && outcome.faults > 0 && outcome.operations > 0 && COLUMNS.every((column) => (outcome[column] ?? 0) === 0)
}

/** What a control is there to find. */
export function found({ control, outcome }: ControlResult): number {
  return outcome?.[control.breaks] ?? 0
}

/** A fault that cannot run here fails nothing, and is named as such. */
export function isGreen({ ran, unavailable, controls }: FaultResult): boolean {
  if (unavailable !== undefined) return true
  return ran !== undefined && isClean(ran) && controls.every((control) => found(control) > 0)
}

/** A fault's outcome in a line. */
export function describeRun({ outcome, error, seconds }: Ran, unit: string): string {
  if (!outcome) return `FAILED after ${seconds.toFixed(1)} s: ${error?.split('\n', 1)[0]}`
  const broken = COLUMNS.filter((column) => (outcome[column] ?? 0) > 0).map((column) => `${outcome[column]} ${WORDS[column]}`)
  const nothing = outcome.faults > 0 && outcome.operations > 0 ? 'nothing lost' : 'NOTHING WAS DONE'
  return `${outcome.faults} ${unit}, ${outcome.operations} operations, ${broken.join(', ') || nothing}, ${seconds.toFixed(1)} s`
}

/** A control's outcome in a line. */
export function describeControl(result: ControlResult): string {
  const { control, error } = result
  const count = found(result)
  if (count > 0) return `found ${count} ${WORDS[control.breaks]} without ${control.without}`
  return `BLIND: found nothing ${WORDS[control.breaks]} without ${control.without}${error === undefined ? '' : ` (${error.split('\n', 1)[0]})`}`
}

export const WORDS: Readonly<Record<keyof Tally, string>> = {
  lost: 'lost',
  doubled: 'doubled',
  phantoms: 'phantoms',
  falseNegatives: 'false negatives',
  unresolved: 'unresolved',
  wrong: 'wrong',
  left: 'left behind',
  stuck: 'stuck',
  untyped: 'untyped',
}
