/**
 * Inflicts every fault on rowlock, and says what was lost: all columns must be zero. Then the same with what
 * protects taken out, to see that the check can find what it looks for.
 *
 *   npm run torture                     everything, some hours
 *   npm run torture -- --ci             everything, minutes
 *   npm run torture -- --only F3,F5     some of it
 *
 * Ends with 0 only when every column is zero and every control has found what it breaks.
 */
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { ExitCode } from '../src/cli/exit-code.js'
import { listenForInterruption } from '../src/cli/interruption.js'
import { describeConditions } from './conditions.js'
import { FAULTS } from './faults/index.js'
import type { Fault } from './fault.js'
import { runAll } from './progress.js'
import { readRecord, writeRecord } from './record.js'
import { renderReport } from './report.js'
import { renderTable } from './table.js'
import { type FaultResult, isGreen } from './verdict.js'
import { keepRejections } from './watch-process.js'

interface Options {
  readonly ci: boolean
  readonly seed?: number
  readonly only: readonly Fault[]
  readonly size?: number
  readonly json?: string
  readonly resume?: string
  readonly write: boolean
}

const REPORT = new URL('../docs/reliability.md', import.meta.url)
// Whatever a fault has left open must not keep the answer from whoever waits for it. In milliseconds.
const PATIENCE = 5_000

const command = new Command('torture')
  .description('Inflicts faults on rowlock and counts what was lost.')
  .option('--ci', 'the sizes of the continuous integration', false)
  .option('--seed <number>', 'makes the same choices as the run that printed it', integer)
  .option('--only <ids>', 'some faults, such as F3,F5', someFaults, FAULTS)
  .option('--size <number>', 'so many of each fault, or in a soak so many seconds', integer)
  .option('--json <file>', 'writes the results to a file, after each fault')
  .option('--resume <file>', 'goes on with the run that wrote this file: with its seed, without what has passed in it', resumable)
  .option('--write', 'writes docs/reliability.md', false)
  .parse()

keepRejections()
const options = command.opts<Options>()
const { ci, only, size, json, resume, write } = options
const earlier = resume === undefined ? undefined : await readRecord(resume)
const sizes = ci ? 'ci' : 'full'
const seed = options.seed ?? earlier?.seed ?? randomInt(2 ** 32)
if (earlier && (earlier.seed !== seed || earlier.sizes !== sizes || earlier.size !== size)) {
  command.error(`error: the run of ${resume} has other sizes or another seed: ${earlier.sizes}, ${earlier.seed}`)
}
console.log(`seed ${seed}, ${sizes} sizes`)
using interruption = listenForInterruption()
const conditions = await describeConditions({ seed, sizes, ...(size === undefined ? {} : { size }) })
const failed = (earlier?.faults ?? []).filter((result) => !isGreen(result))
if (failed.length > 0) console.log(`again, having failed: ${failed.map(({ fault }) => fault.id).join(', ')}`)
const results: FaultResult[] = (earlier?.faults ?? []).filter(isGreen)
const done = new Set(results.map(({ fault }) => fault.id))
const open = only.filter(({ id }) => !done.has(id))
await runAll(open, { ci, seed, size, signal: interruption.signal }, async (result) => {
  results.push(result)
  // One that Ctrl-C has ended has not run.
  if (json !== undefined && !interruption.signal.aborted) await writeRecord(json, results, conditions)
})
results.sort((one, other) => orderOf(one) - orderOf(other))
console.log(renderTable(results))
console.log(`seed ${seed}`)

const complete = only.every(({ id }) => results.some(({ fault }) => fault.id === id)) && interruption.exitCode() === undefined
if (json !== undefined && complete) await writeRecord(json, results, conditions)
// What was not run is not reported as if it were all.
if (write && complete && results.length === FAULTS.length) await writeFile(REPORT, renderReport(results, conditions))
else if (write) console.error('docs/reliability.md is left as it is: not everything was run.')
process.exitCode = interruption.exitCode() ?? (complete && results.every(isGreen) ? ExitCode.ok : ExitCode.failed)
setTimeout(() => process.exit(), PATIENCE).unref()

function orderOf({ fault }: FaultResult): number {
  return FAULTS.findIndex(({ id }) => id === fault.id)
}

function resumable(file: string): string {
  if (!existsSync(file)) throw new InvalidArgumentError('There is no such file.')
  return file
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

function someFaults(text: string): Fault[] {
  const ids = text.toUpperCase().split(',')
  const unknown = ids.filter((id) => !FAULTS.some((fault) => fault.id === id))
  if (unknown.length > 0)
    throw new InvalidArgumentError(`There is no ${unknown.join(', ')}; there are ${FAULTS.map(({ id }) => id).join(', ')}.`)
  return FAULTS.filter(({ id }) => ids.includes(id))
}
