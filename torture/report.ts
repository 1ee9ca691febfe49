import type { Conditions } from './conditions.js'
import { cellsOf } from './table.js'
import { COLUMNS, describeControl, type FaultResult, found, WORDS } from './verdict.js'

/** docs/reliability.md. */
export function renderReport(results: readonly FaultResult[], conditions: Conditions): string {
  return `# Reliability: what was inflicted, and what was lost

\`npm run torture\` inflicts every fault below on rowlock, really: servers and processes are killed with -9, connections cut,
clocks shifted. Afterwards, with everything healed, it compares what callers were told with what the database holds. This page
is written by \`npm run torture -- --write\`. What follows from it for your own settings is in [guarantees.md](guarantees.md).

${describeRun(conditions)}

${renderResults(results)}

${LEGEND}

## The checks can fail

A check that has never failed proves nothing. The same runs, with what protects taken out:

${renderControls(results)}

## What was seen

${renderNotes(results)}
${HOW}`
}

function describeRun({ date, seed, sizes, size, processors, versions }: Conditions): string {
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const amount = size === undefined ? `the ${sizes === 'ci' ? 'small sizes of the continuous integration' : 'full sizes'}` : `size ${size}`
  return `${date}, seed ${seed}, ${amount}, ${processors} processors, ${software.join(', ')}.`
}

function renderResults(results: readonly FaultResult[]): string {
  const head = ['', 'fault', 'how', 'inflicted', 'operations', ...COLUMNS.map((column) => WORDS[column]), 's']
  const align = head.map((_, index) => (index < 4 ? '---' : '--:'))
  const rows = results.map((result) => {
    const { fault, unavailable, ran } = result
    const [faults = '', ...rest] = cellsOf(result)
    const inflicted =
      unavailable === undefined ? (ran?.error === undefined ? `${faults} ${fault.sizes.unit}` : 'FAILED') : `not run: ${unavailable}`
    return [fault.id, fault.title, fault.how, inflicted, ...rest]
  })
  return table([head, align, ...rows])
}

function renderControls(results: readonly FaultResult[]): string {
  const rows = results.flatMap(({ fault, controls }) =>
    controls.map((one) => [
      fault.id,
      one.control.without,
      found(one) > 0 ? `${found(one)} ${WORDS[one.control.breaks]}` : describeControl(one),
    ]),
  )
  return table([['', 'without', 'what the check found'], ['---', '---', '---'], ...rows])
}

function renderNotes(results: readonly FaultResult[]): string {
  return results.flatMap(({ fault, ran }) => (ran?.outcome?.notes ?? []).map((note) => `- ${fault.id}: ${firstLine(note)}\n`)).join('')
}

const table = (rows: readonly (readonly string[])[]) => rows.map((cells) => `| ${cells.map(toCell).join(' | ')} |`).join('\n')

const toCell = (text: string) => firstLine(text).replaceAll('|', '\\|')

const firstLine = (text: string) => text.split('\n', 1)[0]!

const LEGEND = `*Inflicted* counts faults that were seen to happen, *operations* the calls of rowlock's that met them. The others must be zero:

| | |
|---|---|
| lost | acknowledged as done, and not there |
| doubled | there more than once |
| phantoms | there, and nobody intended it |
| false negatives | acknowledged as not done, and there |
| unresolved | of unknown outcome, and not settled by its idempotency key, or settled with another result |
| wrong | balances that are not the sum of their entries, and other broken invariants |
| left behind | transactions, locks, leases of dead owners, connections, processes, rejections that nobody handled |
| stuck | calls and pending work that did not end within their bound |
| untyped | errors of no class of rowlock's, or of the wrong one |`

const HOW = `
## How "nothing lost" is measured

- **Journals.** Each worker process writes what it is about to do into a journal of its own, flushed to disk before the call,
  and what it was told before anything follows from that: done, refused with a class of error, or unknown. A journal survives
  the kill -9 of its process (\`torture/journal.ts\`).
- **Identity.** The amount of a movement is its number, unique in the run, so that an entry of the ledger says whose it is, with an
  idempotency key and without one. Two entries with one amount are one movement done twice.
- **Comparison.** With everything healed, whoever has a key and no answer calls again. Then every journal is compared with
  the ledger, the idempotency records and the balances (\`torture/verify-ledger.ts\`), and PostgreSQL is asked for what is left:
  transactions, locks, leases in force, sessions beyond the pool's (\`torture/find-left.ts\`). Both checks have tests of their own that
  plant each error.
- **Calls without a key** whose outcome nobody knows may be there or not, and never twice; how many there were is under
  "What was seen".
- **The process** that inflicts a fault must have no more sockets and child processes after it, and no rejection that nobody handled.

## Run it

\`\`\`sh
npm run torture                       # full sizes, some hours
npm run torture -- --ci               # small sizes, minutes
npm run torture -- --only F3,F5       # some faults
npm run torture -- --seed 4711        # the choices of the run that printed this seed
npm run torture -- --size 100         # so many of each fault; of a soak, so many seconds
npm run torture -- --json run.json    # for other programs, and to go on with:
npm run torture -- --resume run.json  # without what has run in it, with its seed
\`\`\`

It needs no database: it starts PostgreSQL itself. A seed repeats the choices, such as when a server is killed, and not what the
operating system makes of them. It ends with 0 only when all columns are zero and every control has found what it breaks.
`
