import { Command } from 'commander'
import { createDemoCommand } from './demo-command.js'
import { createDoctorCommand } from './doctor-command.js'
import { createExploreCommand } from './explore-command.js'
import { createLocksCommand } from './locks-command.js'
import { createRaceCommand } from './race-command.js'

const HELP = `
Every command has a help of its own, with its options, examples and exit codes: rowlock help race

Output is plain in a pipe, and without colours where NO_COLOR is set. Errors are on standard error.`

/** The whole command line. It throws a CommanderError where commander would end the process. */
export function createProgram(version: string): Command {
  const program = new Command('rowlock')
    .description('Row locks for Prisma on PostgreSQL: see what goes wrong without them, and prove your own code.')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .addHelpText('after', HELP)
    .exitOverride()
  const commands = [
    createDemoCommand(),
    createLocksCommand(),
    createRaceCommand(),
    createExploreCommand(),
    createDoctorCommand(),
    createHelpCommand(program),
  ]
  for (const command of commands) program.addCommand(command.copyInheritedSettings(program))
  for (const command of [program, ...program.commands]) explainErrors(command)
  return program
}

/** Commander's own prints everything, with no word of why, for a name that it does not know. */
function createHelpCommand(program: Command): Command {
  return new Command('help')
    .description('print the help of a command')
    .argument('[command]')
    .action(async (name?: string) => {
      if (name === undefined) program.help()
      const command = program.commands.find((known) => known.name() === name)
      if (command) command.help()
      await program.parseAsync([name], { from: 'user' })
    })
}

/** `error: unknown command 'dmo'` -> `rowlock: Unknown command 'dmo'. See …`, on standard error. */
function explainErrors(command: Command): void {
  const name = command.parent ? `${command.parent.name()} ${command.name()}` : command.name()
  command.configureOutput({ outputError: (text, write) => write(`${name}: ${toSentence(text)} See \`${name} --help\`.\n`) })
}

function toSentence(text: string): string {
  const [first = '', ...rest] = withoutValues(text)
    .trim()
    .replace(/^error: /, '')
    .split('\n')
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}`
  return [sentence.endsWith('.') ? sentence : `${sentence}.`, ...rest].join(' ')
}

/** An option that is not known is named without what it was given, which may be a URL with a password in it. */
const withoutValues = (text: string): string => text.replace(/'(--[^'=\s]+)=[^]*?'(?=$|\s)/g, "'$1'").replace(/:\/\/[^\s'@]*@/g, '://…@')
