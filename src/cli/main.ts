#!/usr/bin/env node
import { CommanderError } from 'commander'
import { ExitCode } from './exit-code.js'
import { version } from './own-package.js'
import { createProgram } from './program.js'

// `rowlock demo | head` closes the pipe: whoever read it has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.kill(process.pid, 'SIGTERM')
  else throw error
})

try {
  await createProgram(version).parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  // Help and version that were asked for end with 0; everything else of commander's is a usage error.
  process.exitCode = error.exitCode === 0 ? ExitCode.ok : ExitCode.usage
}
