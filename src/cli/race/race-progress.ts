import { runSteps, Step } from '../terminal-steps.js'
import type { RaceDatabase, RaceEvent, RaceListener } from './run-race.js'

/** How a running race is shown. */
export interface RaceDisplay {
  readonly onEvent: RaceListener
  /** Leaves the lines as they are and gives the terminal back. */
  close(): Promise<void>
}

/** Tells a race's progress in lines that never change, for a pipe, a file or a CI log. */
export function createPlainDisplay(print: (line: string) => void): RaceDisplay {
  let racing = false
  return {
    onEvent: (event) => {
      if (event.type === 'starting') print('Starting …')
      else if (event.type === 'started') print(`${describeDatabase(event.database)}.`)
      else if (event.type === 'racing' && !racing) {
        racing = true
        print('Racing …')
      }
    },
    close: async () => undefined,
  }
}

/** Shows a race on a terminal, in two lines that change. */
export function createTerminalDisplay(): RaceDisplay {
  const start = new Step('Starting')
  const race = new Step('Racing')
  const close = runSteps([start, race])
  const onEvent = (event: RaceEvent): void => {
    if (event.type === 'started') start.end(describeDatabase(event.database))
    else if (event.type === 'done') race.end('Raced')
    else if (event.type === 'racing' && event.progress) {
      const { requests, fulfilled, rejected } = event.progress
      race.show([`${fulfilled + rejected} of ${requests} answered`, `${fulfilled} succeeded`, `${rejected} failed`])
    }
  }
  return { onEvent, close }
}

function describeDatabase(database: RaceDatabase): string {
  if (database === 'none') return 'Without a database'
  if (database === 'given') return 'On the database of --database'
  return `PostgreSQL is running (${database})`
}
