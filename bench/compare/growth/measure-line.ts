import { cloneDatabase, type TemplateDatabase } from 'rowlock/testing'
import { median } from 'simple-statistics'
import postgres from 'postgres'
import type { Round } from '../../callers.js'
import type { Contestant } from '../contestant.js'
import { openLedger, seed } from '../ledger.js'
import { WARM_UP } from '../measure.js'
import { type Line, type Point, POOL } from './lines.js'
import { type Processes, startProcesses } from './processes.js'

export interface Plan {
  readonly template: TemplateDatabase
  readonly contestants: readonly Contestant[]
  readonly rounds: number
  /** Of a round, in milliseconds. */
  readonly time: number
  readonly onProgress: (what: string) => void
}

/** Of one contestant at one point; times in milliseconds. */
export interface Summary {
  readonly line: string
  readonly x: number
  readonly contestant: string
  readonly kind: Contestant['kind']
  /** Of all by the number of operations: what one more costs. */
  readonly perOperation: number
  readonly p50: number
  readonly p99: number
  readonly rate: number
  readonly rounds: readonly Round[]
}

interface Cell {
  readonly point: Point
  readonly contestant: Contestant
  readonly data: Data
  readonly rounds: Round[]
}

type Data = Awaited<ReturnType<typeof loadData>>

/** Points and contestants take turns, from another start in every round, so that a change of the machine's mood meets all of them. */
export async function measureLine(line: Line, plan: Plan): Promise<Summary[]> {
  const { contestants, rounds, onProgress } = plan
  const loaded = new Map<string, Data>()
  for (const point of line.points) {
    const name = nameOf(point)
    onProgress(`${line.name}: loads ${name}`)
    if (!loaded.has(name)) loaded.set(name, await loadData(plan.template, point))
  }
  await using processes = startProcesses(Math.max(...line.points.map((point) => point.processes)))
  const cells = line.points.flatMap((point) =>
    contestants.map((contestant): Cell => ({ point, contestant, data: loaded.get(nameOf(point))!, rounds: [] })),
  )
  // The first turn opens the connections, compiles the queries and warms up the engine, and is not counted.
  for (let turn = 0; turn <= rounds; turn++) {
    const start = Math.floor((cells.length * turn) / (rounds + 1))
    for (const cell of [...cells.slice(start), ...cells.slice(0, start)]) {
      const { point, contestant, data } = cell
      onProgress(`${line.name} ${point.x}, ${turn === 0 ? 'warm-up' : `round ${turn} of ${rounds}`}: ${contestant.name}`)
      const { round, withdrawn } = await processes.run(jobsOf(cell, turn, turn === 0 ? Math.max(plan.time, WARM_UP) : plan.time))
      await data.ledger.verify(`${contestant.name}, ${line.name} ${point.x}`, withdrawn)
      if (turn > 0) cell.rounds.push(round)
    }
  }
  await processes.close()
  for (const data of loaded.values()) await data.drop()
  return cells.map((cell) => summarize(line, cell))
}

/** Each process takes its share of the callers, and begins elsewhere among the wallets, in each turn, too. */
function jobsOf({ point, contestant, data }: Cell, turn: number, time: number): Parameters<Processes['run']>[0] {
  const { processes, callers, called } = point
  return Array.from({ length: processes }, (_, process) => ({
    contestant: contestant.name,
    url: data.url,
    pool: POOL,
    callers: Math.floor((callers - process - 1) / processes) + 1,
    called,
    first: turn * 1_000_003 + process * 500_009,
    time,
  }))
}

function summarize({ name }: Line, { point, contestant, rounds }: Cell): Summary {
  const of = (what: keyof Round) => median(rounds.map((round) => round[what]))
  return {
    line: name,
    x: point.x,
    contestant: contestant.name,
    kind: contestant.kind,
    perOperation: 1_000 / of('rate'),
    p50: of('p50'),
    p99: of('p99'),
    rate: of('rate'),
    rounds,
  }
}

const nameOf = ({ wallets, history }: Point) => `${wallets.toLocaleString('en')} wallets, ${history.toLocaleString('en')} entries`

async function loadData(template: TemplateDatabase, { wallets, history }: Point) {
  const clone = await cloneDatabase(template)
  await seed(clone.url, { wallets, history })
  await writeOut(clone.url)
  const ledger = openLedger(clone.url, history)
  const drop = async () => {
    await ledger[Symbol.asyncDispose]()
    await clone.drop()
  }
  return { url: clone.url, ledger, drop }
}

/** What was loaded is on disk before the clock runs. On a given server that may be forbidden, and happens at its own time. */
async function writeOut(url: string): Promise<void> {
  const sql = postgres(url, { max: 1 })
  await sql`CHECKPOINT`.catch((error: unknown) => {
    if (!(error instanceof postgres.PostgresError && error.code === '42501')) throw error
  })
  await sql.end()
}
