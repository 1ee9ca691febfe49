import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { InvalidOptionError, isRowLockError } from '../core/errors.js'
import { assertSignal } from '../core/option-checks.js'
import type { ExploreReport } from '../harness/explore/explore-report.js'
import { exploreToJson } from '../report/explore-to-json.js'
import { ExitCode } from './exit-code.js'
import { listenForInterruption } from './interruption.js'
import { ExplorationFileError, loadExploration } from './load-exploration.js'

interface ExploreCommandOptions {
  readonly html?: string
  readonly json?: boolean
  readonly replay?: string
}

const DETAILS = `
The file is JavaScript, or TypeScript where tsx is installed, and exports the options of \`explore\`:

  import { defineExploration } from 'rowlock/testing'
  export const exploration = defineExploration({ client, setup, actors, invariant })

Without \`database\` in them a PostgreSQL is started for it and removed afterwards.

Exit codes: 0 when the invariant held, 1 when it broke, when one schedule ran in two ways, or when the
exploration could not run, 2 for a wrong command line or wrong options, 3 when the budget ended before
the search did, 130 after Ctrl-C.`

/** `rowlock explore`. */
export function createExploreCommand(): Command {
  return new Command('explore')
    .description('run operations in every order of their SQL statements, and show the smallest one that breaks an invariant')
    .argument('<file>', 'the file that exports `exploration`')
    .option('--html <out>', 'write the report to this file as well, as one HTML page')
    .option('--json', 'print the report as JSON, and nothing else, on standard output')
    .option('--replay <token>', 'run only the schedule of this token, which a report printed')
    .addHelpText('after', DETAILS)
    .action(async (file: string, options: ExploreCommandOptions) => {
      process.exitCode = await runExploreCommand(file, options)
    })
}

async function runExploreCommand(file: string, { html, json = false, replay: token }: ExploreCommandOptions): Promise<number> {
  using interruption = listenForInterruption()
  try {
    const options = await loadExploration(file)
    assertSignal(options.signal, 'signal')
    const { explore, replay } = await import('../harness/explore/explore.js')
    const signal = options.signal ? AbortSignal.any([options.signal, interruption.signal]) : interruption.signal
    const report = await (token === undefined ? explore({ ...options, signal }) : replay(token, { ...options, signal }))
    if (html !== undefined) await writeFile(html, report.html())
    console.log(json ? exploreToJson(report) : report.text())
    return interruption.exitCode() ?? exitCodeOf(report)
  } catch (error) {
    const exitCode = interruption.exitCode()
    console.error(`rowlock explore: ${exitCode === undefined ? explain(error) : 'Interrupted.'}`)
    return exitCode ?? (isUsageError(error) ? ExitCode.usage : ExitCode.failed)
  }
}

function exitCodeOf({ verdict }: ExploreReport): number {
  if (verdict === 'held') return ExitCode.ok
  return verdict === 'exhausted' ? ExitCode.unfinished : ExitCode.failed
}

const isUsageError = (error: unknown) => error instanceof ExplorationFileError || error instanceof InvalidOptionError

/** The file's own errors are shown with where they come from. */
function explain(error: unknown): string {
  return isRowLockError(error) ? error.message : ((error as Error | undefined)?.stack ?? String(error))
}
