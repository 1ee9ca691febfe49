import { isRowLockError } from 'rowlock'
import type { HolderRequest } from './holder-process.js'

/** What a holder's process does when it is told to, by the name of the command. */
export type Commands = Readonly<Record<string, (key: string) => Promise<unknown>>>

/** In a holder's process: does as a `HolderProcess` tells it, and answers with the value or with the error's code. */
export function serveCommands(commands: Commands): void {
  process.on('message', ({ id, command, key }: HolderRequest) => {
    commands[command]!(key).then(
      (value) => void (process.connected && process.send!({ id, value })),
      (error: unknown) => void process.send!({ id, error: isRowLockError(error) ? error.code : String(error) }),
    )
  })
  process.send!({ id: 0 })
}
