import { Command } from 'commander'
import { diagnose } from '../doctor/diagnose.js'
import { countLevels, renderDoctor } from '../report/doctor-text.js'
import { doctorToJson } from '../report/doctor-to-json.js'
import { renderHelp } from './command-help.js'
import { ExitCode } from './exit-code.js'
import { exitCodeOf, explain } from './failure.js'
import { listenForInterruption } from './interruption.js'
import { endProcess, hasColors } from './terminal.js'

interface DoctorCommandOptions {
  readonly database?: string
  readonly source: string
  readonly schema?: string
  readonly json?: boolean
}

const HELP = renderHelp({
  about: `
The file is JavaScript, or TypeScript where tsx is installed, and exports the client of the application
as \`prisma\` or as default. Looked at are the client and its pool, the settings, foreign keys and indexes
of its database, a proxy on the way there, and the locks in the source. Without a file it is the database
of DATABASE_URL and the source. Nothing is written, neither to the database nor elsewhere.

Each finding is \`ok\`, a \`note\`, a \`warning\` (likely to bite) or a \`problem\` (wrong), and says what to do.`,
  examples: ['rowlock doctor src/prisma.ts', 'rowlock doctor src/prisma.ts --json', 'DATABASE_URL=postgresql://… rowlock doctor'],
  exitCodes: {
    0: 'No problem was found; there may be warnings and notes.',
    1: 'A problem was found, or the project could not be looked at.',
  },
})

/** `rowlock doctor`. */
export function createDoctorCommand(): Command {
  return new Command('doctor')
    .description('look at a project for what will bite: its client, its database and the locks in its source')
    .argument('[file]', 'the file that exports the Prisma client')
    .option('--database <url>', "ask this database, and not the client's or that of DATABASE_URL")
    .option('--source <folder>', 'the project, in which locks are searched for', '.')
    .option('--schema <path>', 'the Prisma schema, a file or a folder (default: where Prisma looks)')
    .option('--json', 'print the findings as JSON, and nothing else, on standard output')
    .addHelpText('after', HELP)
    .action(async (file: string | undefined, options: DoctorCommandOptions) => endProcess(await runDoctorCommand(file, options)))
}

async function runDoctorCommand(
  file: string | undefined,
  { database, source, schema, json = false }: DoctorCommandOptions,
): Promise<number> {
  using interruption = listenForInterruption()
  try {
    const { gatherFacts } = await import('./doctor/gather-facts.js')
    const { facts, missing } = await untilInterrupted(gatherFacts({ file, database, source, schema }), interruption.signal)
    const findings = diagnose(facts, missing)
    console.log(json ? doctorToJson(findings) : renderDoctor(findings, { color: hasColors() }))
    return countLevels(findings).problem === 0 ? ExitCode.ok : ExitCode.failed
  } catch (error) {
    const exitCode = interruption.exitCode()
    console.error(`rowlock doctor: ${exitCode === undefined ? explain(error) : 'Interrupted.'}`)
    return exitCode ?? exitCodeOf(error)
  }
}

/** Nothing is left to clean up: what is under way only reads, and ends with the process. */
async function untilInterrupted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return Promise.race([work, new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))])
}
