import { Command } from 'commander'
import { InvalidOptionError } from '../core/errors.js'
import { RaceError } from '../harness/race-errors.js'
import type { RaceResult } from '../harness/race-result.js'
import { judgeRace, type RaceReport } from '../report/race-report.js'
import { renderRace } from '../report/race-text.js'
import { raceToJson } from '../report/race-to-json.js'
import { renderHelp } from './command-help.js'
import { ExitCode } from './exit-code.js'
import { exitCodeOf, explain } from './failure.js'
import { listenForInterruption } from './interruption.js'
import { parseCount, parseJsonObject } from './parse-arguments.js'
import { createPlainDisplay, createTerminalDisplay, type RaceDisplay } from './race/race-progress.js'
import type { RaceDatabase, RaceEvent } from './race/run-race.js'
import { canAnimate, endProcess, hasColors, showCursor } from './terminal.js'

interface RaceCommandOptions {
  readonly export: string
  readonly processes?: number
  readonly requests: number
  readonly concurrency?: number
  readonly deadline?: number
  readonly input: Readonly<Record<string, unknown>>
  readonly expect?: number
  readonly database?: string | false
  readonly migrations?: string
  readonly json?: boolean
}

/** A file to race, as it stands in the help and in docs/cli.md. */
export const RACE_EXAMPLE = `
import { PrismaPg } from '@prisma/adapter-pg'
import { lockable, rowLocks } from 'rowlock'
import { buyTicket } from 'rowlock/repositories'
import { defineRaceActor } from 'rowlock/testing'
import { PrismaClient } from './generated/prisma/client.js'

interface Input {
  url: string
}

const connect = ({ url }: Input) =>
  new PrismaClient({ adapter: lockable(new PrismaPg({ connectionString: url })) }).$extends(rowLocks())

export const setup = async (input: Input) => {
  const prisma = connect(input)
  await prisma.event.create({ data: { id: 1, name: 'Concert', remaining: 15 } })
  const users = Array.from({ length: 30 }, (_, index) => ({ id: index + 1, name: \`user \${index + 1}\` }))
  await prisma.user.createMany({ data: users })
  await prisma.$disconnect()
}

export const actor = defineRaceActor({
  connect: ({ input }: { input: Input }) => connect(input),
  run: ({ client, index }) => buyTicket(client, { eventId: 1, userId: index + 1 }),
})
`

const HELP = renderHelp({
  about: `
The file is JavaScript, or TypeScript where tsx is installed. Each worker process loads it, makes a
client of its own and waits at one barrier, from which all start at once. It exports an \`actor\`, and a
\`setup\` if there is something to do before the race, which is given the same \`input\`:
${RACE_EXAMPLE.replaceAll(/^(?=.)/gm, '  ')}
The race is on a throw-away database, to which the migrations are applied: one of its own on the server
of DATABASE_URL, in a container with ROWLOCK_DATABASE=container, or else on a PostgreSQL that is started
for it. With --database it is on that one, as it is. Its URL is in \`input.url\`, and in DATABASE_URL for
a client that your application makes.`,
  examples: [
    'rowlock race tickets.race.ts --requests 30 --expect 15',
    `rowlock race withdraw.race.ts --processes 8 --requests 500 --input '{"amount": 5}'`,
    'rowlock race counter.race.ts --export increment --no-database --json',
  ],
  exitCodes: {
    0: 'The race was run, and as many requests succeeded as --expect says.',
    1: 'Others did, or the race could not be run to its end.',
  },
})

/** `rowlock race`. */
export function createRaceCommand(): Command {
  return new Command('race')
    .description('race an operation of yours in worker processes, and say how many requests succeeded and how others failed')
    .argument('<file>', 'the file that exports the actor')
    .option('--export <name>', 'the export to race: of defineRaceActor, or a function', 'actor')
    .option('--requests <n>', 'how many requests in all', parseCount, 100)
    .option('--processes <n>', 'how many worker processes (default: 4, or one a request)', parseCount)
    .option('--concurrency <n>', 'how many requests at a time over all processes (default: all)', parseCount)
    .option('--deadline <ms>', 'end the race after this time (default: never)', parseCount)
    .option('--input <json>', 'what the actor is given as `input`, beside the `url`', parseJsonObject, {})
    .option('--expect <n>', 'fail unless exactly this many requests succeed', parseCount)
    .option('--database <url>', 'race on this database instead of a throw-away one')
    .option('--no-database', 'race without a database')
    .option('--migrations <folder>', 'what to apply to a throw-away database (default: prisma/migrations, if there)')
    .option('--json', 'print the result as JSON, and nothing else, on standard output')
    .addHelpText('after', HELP)
    .action(async (file: string, options: RaceCommandOptions) => endProcess(await runRaceCommand(file, options)))
}

async function runRaceCommand(file: string, options: RaceCommandOptions): Promise<number> {
  const { json = false, requests, processes = Math.max(1, Math.min(4, requests)), expect: expected } = options
  const display = createDisplay(json)
  let database: RaceDatabase = 'none'
  const onEvent = (event: RaceEvent): void => {
    if (event.type === 'started') database = event.database
    display.onEvent(event)
  }
  using interruption = listenForInterruption(showCursor)
  const end = async (result: RaceResult, ended?: string) => {
    await display.close()
    return interruption.exitCode() ?? print({ ...result, processes, expected, database, ended }, json)
  }
  try {
    checkExpectation(options)
    const { runRace } = await import('./race/run-race.js')
    const { input, database, migrations, export: exportName, concurrency, deadline } = options
    const result = await runRace({
      ...{ file, exportName, processes, requests, concurrency, deadline, input, database, migrations },
      ...{ stdout: json ? 'stderr' : 'stdout', signal: interruption.signal, onEvent },
    })
    return await end(result)
  } catch (error) {
    const exitCode = interruption.exitCode()
    if (exitCode === undefined && error instanceof RaceError && error.code !== 'RACE_PROCESS_FAILED')
      return await end(error.result, error.message)
    await display.close()
    console.error(`rowlock race: ${exitCode === undefined ? explain(error) : 'Interrupted; its processes and its database are gone.'}`)
    return exitCode ?? exitCodeOf(error)
  }
}

function checkExpectation({ expect, requests }: RaceCommandOptions): void {
  if (expect !== undefined && expect > requests)
    throw new InvalidOptionError('expect', expect, `a whole number from 0 to ${requests}, the requests`)
}

function print(report: RaceReport, json: boolean): number {
  console.log(json ? raceToJson(report) : `\n${renderRace(report, { color: hasColors() })}`)
  return judgeRace(report).ok ? ExitCode.ok : ExitCode.failed
}

function createDisplay(json: boolean): RaceDisplay {
  if (json) return { onEvent: () => undefined, close: async () => undefined }
  return canAnimate() ? createTerminalDisplay() : createPlainDisplay((line) => console.log(line))
}
