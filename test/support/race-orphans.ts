/** Starts a race that never ends, for the test that kills this process: do its workers end too? */
import { raceProcesses } from '../../src/harness/race-processes.js'

await raceProcesses({
  processes: 2,
  requests: 2,
  module: new URL('./race-actors.ts', import.meta.url),
  exportName: 'neverSettle',
  input: { report: true },
})
