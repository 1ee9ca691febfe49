import { setTimeout } from 'node:timers/promises'
import { Command } from 'commander'
import { isRowLockError } from '../core/errors.js'
import type { LockTree } from '../monitor/lock-tree-types.js'
import { bigintAsText } from '../report/bigint-as-text.js'
import { renderLockTree } from '../report/lock-tree-text.js'
import { renderHelp } from './command-help.js'
import { ExitCode } from './exit-code.js'
import { messageOf } from './failure.js'
import { hasFullScreen } from './full-screen.js'
import { listenForInterruption } from './interruption.js'
import { cancelWaiter } from './locks/cancel-waiter.js'
import { connectToLocks, type LocksConnection } from './locks/connect-to-locks.js'
import { describeDatabase } from './locks/describe-database.js'
import { watchLocks } from './locks/watch-locks.js'
import { runLocksServe } from './locks-serve.js'
import { parseCount } from './parse-arguments.js'
import { hasColors } from './terminal.js'

interface LocksCommandOptions {
  readonly url?: string
  readonly json?: boolean
  readonly watch?: boolean
  readonly serve?: boolean
  readonly port?: number
  readonly cancel?: number
  readonly yes?: boolean
}

// Between two readings, in milliseconds.
const INTERVAL = 1_000

const HELP = renderHelp({
  about: `
Reads the database with a connection of its own, called "rowlock locks", and changes nothing but for
--cancel, which asks first. Models are called by their tables here; in your program, \`lockTree(prisma)\`
knows their names.`,
  examples: ['rowlock locks --url postgresql://localhost/shop', 'rowlock locks --watch', 'rowlock locks --cancel 4711'],
  exitCodes: {
    0: 'The locks were shown, whether or not somebody waits.',
    1: 'They could not be read, or the session to cancel waits for no lock.',
  },
})

/** `rowlock locks`. */
export function createLocksCommand(): Command {
  return new Command('locks')
    .description('show who waits for whom in a database, and what for')
    .option('--url <url>', 'the database; DATABASE_URL if left out')
    .option('--watch', 'show it again every second, until q or Ctrl-C; ? shows the keys')
    .option('--json', 'print it as JSON, and nothing else, on standard output; with --watch a line each time')
    .option('--serve', 'show it as a live page that only this machine can open, until Ctrl-C')
    .option('--port <number>', 'the port of the page; any that is free if left out', parseCount)
    .option('--cancel <pid>', 'cancel the statement of a session that waits, after asking', parseCount)
    .option('--yes', 'cancel without asking')
    .addHelpText('after', HELP)
    .action(async (options: LocksCommandOptions, command: Command) => {
      const url = options.url ?? process.env['DATABASE_URL']
      if (!url) command.error('error: no database: give --url, or set DATABASE_URL')
      if (!/^postgres(ql)?:\/\//.test(url)) command.error('error: the database must be a URL that begins with postgres://')
      process.exitCode = await runLocksCommand(url, options)
    })
}

async function runLocksCommand(url: string, options: LocksCommandOptions): Promise<number> {
  using interruption = listenForInterruption()
  const { signal } = interruption
  try {
    await using connection = connectToLocks(url)
    if (options.cancel !== undefined) return await cancelWaiter(connection, { pid: options.cancel, yes: options.yes ?? false, signal })
    if (options.serve)
      await runLocksServe({ url, read: () => connection.read(), signal, ...(options.port !== undefined && { port: options.port }) })
    else if (options.watch && !options.json && hasFullScreen())
      await watchLocks({ connection, database: describeDatabase(url), interval: INTERVAL, signal })
    else if (options.watch) await printAgainAndAgain(connection, options.json ?? false, signal)
    else console.log(show(await connection.read(), options.json ?? false))
    return interruption.exitCode() ?? ExitCode.ok
  } catch (error) {
    const exitCode = interruption.exitCode()
    if (exitCode === undefined) console.error(`rowlock locks: ${explain(error)}`)
    return exitCode ?? ExitCode.failed
  }
}

async function printAgainAndAgain(connection: LocksConnection, json: boolean, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    console.log(show(await connection.read(), json, json))
    await setTimeout(INTERVAL, undefined, { signal }).catch(() => undefined)
  }
}

function show(tree: LockTree, json: boolean, inOneLine = false): string {
  if (!json) return renderLockTree(tree, { width: process.stdout.isTTY ? process.stdout.columns : undefined, color: hasColors() })
  return JSON.stringify(tree, bigintAsText, inOneLine ? undefined : 2)
}

const explain = (error: unknown): string => (isRowLockError(error) ? error.message : `The locks could not be read: ${messageOf(error)}`)
