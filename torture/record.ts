import { readFile, writeFile } from 'node:fs/promises'
import type { Conditions } from './conditions.js'
import type { Control, Fault } from './fault.js'
import { type FaultResult, isGreen } from './verdict.js'

/** A run, or what there is of it, as a file keeps it. */
export interface RunRecord extends Conditions {
  readonly faults: readonly (FaultResult & { readonly green: boolean })[]
}

/** Writes what a run has found so far: for other programs, and to be gone on with. */
export async function writeRecord(file: string, results: readonly FaultResult[], conditions: Conditions): Promise<void> {
  const record: RunRecord = { ...conditions, faults: results.map((result) => ({ ...toData(result), green: isGreen(result) })) }
  await writeFile(file, `${JSON.stringify(record, undefined, 2)}\n`)
}

export async function readRecord(file: string): Promise<RunRecord> {
  return JSON.parse(await readFile(file, 'utf8')) as RunRecord
}

/** Without what runs it. */
function toData({ fault, controls, ...result }: FaultResult): FaultResult {
  return {
    ...result,
    fault: headOf(fault),
    controls: controls.map(({ control, ...ran }) => ({ ...ran, control: controlHeadOf(control) })),
  }
}

const headOf = ({ id, title, how, sizes }: Pick<Fault, 'id' | 'title' | 'how' | 'sizes'>) => ({ id, title, how, sizes })
const controlHeadOf = ({ without, breaks, size }: Pick<Control, 'without' | 'breaks' | 'size'>) => ({ without, breaks, size })
