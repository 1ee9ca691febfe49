#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { Command, CommanderError } from 'commander'
import { createDemoCommand } from './demo-command.js'
import { ExitCode } from './exit-code.js'
import { createExploreCommand } from './explore-command.js'
import { createLocksCommand } from './locks-command.js'

// `rowlock demo | head` closes the pipe: whoever read it has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.kill(process.pid, 'SIGTERM')
  else throw error
})

const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }

const program = new Command('rowlock')
  .description('Row locks for Prisma on PostgreSQL: see what goes wrong without them, and prove your own code.')
  .version(version)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(`rowlock: ${toSentence(text)} See \`rowlock --help\`.\n`) })

for (const command of [createDemoCommand(), createExploreCommand(), createLocksCommand()])
  program.addCommand(command.copyInheritedSettings(program))

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // Help and version that were asked for end with 0; everything else of commander's is a usage error.
  process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
}

/** `error: unknown command 'dmo'` -> `Unknown command 'dmo'.` */
function toSentence(text: string): string {
  const [first = '', ...rest] = text
    .trim()
    .replace(/^error: /, '')
    .split('\n')
  const sentence = `${first.charAt(0).toUpperCase()}${first.slice(1)}`
  return [sentence.endsWith('.') ? sentence : `${sentence}.`, ...rest].join(' ')
}
