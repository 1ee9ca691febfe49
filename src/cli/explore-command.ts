import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { assertSignal } from '../core/option-checks.js'
import type { ExploreReport } from '../harness/explore/explore-report.js'
import { exploreToJson } from '../report/explore-to-json.js'
import { renderHelp } from './command-help.js'
import { ExitCode } from './exit-code.js'
import { exitCodeOf, explain } from './failure.js'
import { listenForInterruption } from './interruption.js'
import { loadExploration } from './load-exploration.js'

interface ExploreCommandOptions {
  readonly html?: string
  readonly json?: boolean
  readonly replay?: string
}

const HELP = renderHelp({
  about: `
The file is JavaScript, or TypeScript where tsx is installed, and exports the options of \`explore\`:

  import { defineExploration } from 'rowlock/testing'
  export const exploration = defineExploration({ client, setup, actors, invariant })

Without \`database\` in them a PostgreSQL is started for it and removed afterwards.`,
  examples: ['rowlock explore withdraw.explore.ts', 'rowlock explore withdraw.explore.ts --html report.html'],
  exitCodes: {
    0: 'The invariant held.',
    1: 'It broke, one schedule ran in two ways, or the exploration could not run.',
    3: 'The budget ended before the search did.',
  },
})

/** `rowlock explore`. */
export function createExploreCommand(): Command {
  return new Command('explore')
    .description('run operations in every order of their SQL statements, and show the smallest one that breaks an invariant')
    .argument('<file>', 'the file that exports `exploration`')
    .option('--html <out>', 'write the report to this file as well, as one HTML page')
    .option('--json', 'print the report as JSON, and nothing else, on standard output')
    .option('--replay <token>', 'run only the schedule of this token, which a report printed')
    .addHelpText('after', HELP)
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
    return interruption.exitCode() ?? exitCodeFor(report)
  } catch (error) {
    const exitCode = interruption.exitCode()
    console.error(`rowlock explore: ${exitCode === undefined ? explain(error) : 'Interrupted.'}`)
    return exitCode ?? exitCodeOf(error)
  }
}

function exitCodeFor({ verdict }: ExploreReport): number {
  if (verdict === 'held') return ExitCode.ok
  return verdict === 'exhausted' ? ExitCode.unfinished : ExitCode.failed
}
