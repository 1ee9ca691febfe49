/**
 * What rowlock costs the compiler: `tsc --noEmit --extendedDiagnostics` of an application with 100 models, with and without
 * the extension, in turns. The application is generated, its queries are the same in all variants; rowlock is as built.
 *
 *   npm run bench:types
 *   npm run bench:types -- --models 20 --rounds 3
 *   npm run bench:types -- --json
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { median } from 'simple-statistics'
import { createProject, type Variant, variants } from './project.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, '.tmp/bench-types')
const GOAL = 1.2
const TELL_CPU = `process.on('exit', () => {
  const { user, system } = process.cpuUsage()
  console.log('CPU time: ' + (user + system) / 1e6)
})`

interface Check {
  /** Seconds. */
  readonly checkTime: number
  readonly totalTime: number
  /** Seconds of processor time of the whole run, which what else the machine does hardly changes. */
  readonly cpu: number
  readonly instantiations: number
  readonly types: number
  /** Megabytes. */
  readonly memory: number
}

const { values: flags } = parseArgs({
  options: {
    models: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '7' },
    json: { type: 'boolean', default: false },
  },
})
const models = Number(flags.models)
const rounds = Number(flags.rounds)

createProject({ folder, models, rowlock: join(root, 'dist/index.d.ts') })
const load = loadavg()[0]!
const checks = Object.entries(variants).map(([key, variant]) => ({ key, variant, done: [] as Check[] }))
for (let round = 0; round < rounds; round++) {
  // From another one each time: the first after a pause runs on a cooler processor.
  for (let turn = 0; turn < checks.length; turn++) {
    const { key, done } = checks[(round + turn) % checks.length]!
    done.push(check(join(folder, key)))
  }
}
const results = summarize()
console.log(flags.json ? JSON.stringify({ load, models, rounds, versions: versions(), results }, undefined, 2) : render())

function check(project: string): Check {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const args = ['--import', `data:text/javascript,${encodeURIComponent(TELL_CPU)}`, tsc, '-p', project, '--extendedDiagnostics']
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${project} does not compile:\n${stdout}`)
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+([\\d.]+)`, 'm').exec(stdout)?.[1])
  return {
    checkTime: read('Check time'),
    totalTime: read('Total time'),
    cpu: read('CPU time'),
    instantiations: read('Instantiations'),
    types: read('Types'),
    memory: read('Memory used') / 1_024,
  }
}

interface Result extends Check {
  readonly name: string
  /** To Prisma alone, the median of those within a round. */
  readonly checkRatio: number
  readonly cpuRatio: number
}

function summarize(): Result[] {
  const base = checks[0]!.done
  const typical = (done: readonly Check[], of: keyof Check) => median(done.map((one) => one[of]))
  const ratioToBase = (done: readonly Check[], of: keyof Check) => median(done.map((one, round) => one[of] / base[round]![of]))
  return checks.map(({ variant, done }: { variant: Variant; done: readonly Check[] }) => ({
    name: variant.name,
    checkTime: typical(done, 'checkTime'),
    totalTime: typical(done, 'totalTime'),
    cpu: typical(done, 'cpu'),
    instantiations: typical(done, 'instantiations'),
    types: typical(done, 'types'),
    memory: typical(done, 'memory'),
    checkRatio: ratioToBase(done, 'checkTime'),
    cpuRatio: ratioToBase(done, 'cpu'),
  }))
}

function render(): string {
  const table = new Table({
    head: ['', 'check, s', 'ratio', 'CPU, s', 'ratio', 'total, s', 'instantiations', 'types', 'memory, MB'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const { name, checkTime, checkRatio, cpu, cpuRatio, totalTime, instantiations, types, memory } of results) {
    const counts = [instantiations, types].map((count) => count.toLocaleString('en'))
    const times = [checkTime, checkRatio, cpu, cpuRatio, totalTime].map((time) => time.toFixed(2))
    table.push([name, ...times, ...counts, memory.toFixed(0)])
  }
  const { checkRatio: reached } = results[checks.findIndex(({ key }) => key === 'rowLocks')]!
  const conditions = `${models} models; medians of ${rounds} interleaved rounds; load ${load.toFixed(1)} before; ${versions()}`
  return `${conditions}\n\n${table.toString()}\n\ncheck time of the same queries with rowLocks() at most ${GOAL}x of Prisma alone: ${reached.toFixed(2)}, ${reached <= GOAL ? 'met' : 'missed'}`
}

function versions(): string {
  const version = (name: string) =>
    (JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version
  return `TypeScript ${version('typescript')}, Prisma ${version('prisma')}, Node ${process.versions.node}`
}
