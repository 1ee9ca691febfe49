export { DatabaseUnavailableError, MigrationError } from './harness/database-error.js'
export { startDatabase, type Database, type DatabaseSource, type StartDatabaseOptions } from './harness/database.js'
export {
  cloneDatabase,
  createTemplate,
  type ClonedDatabase,
  type CreateTemplateOptions,
  type TemplateDatabase,
} from './harness/template-database.js'
export { applyMigrations } from './harness/migrations.js'
export { checkLedger } from './harness/check-ledger.js'
export type { CheckLedgerOptions, LedgerClient, LedgerReport, LedgerViolation } from './harness/check-ledger.js'
export { defineRaceActor } from './harness/define-race-actor.js'
export type { RaceActor, RaceActorContext, RaceConnectContext } from './harness/define-race-actor.js'
export { expectExactly, expectExactlyOne } from './harness/expect-exactly.js'
export { race, type RaceContext, type RaceOptions } from './harness/race.js'
export type { RaceClientSource } from './harness/race-clients.js'
export {
  RaceAbortedError,
  RaceClientError,
  RaceDeadlineError,
  RaceError,
  RaceProcessError,
  type RaceProcessPhase,
} from './harness/race-errors.js'
export type { RaceLimits } from './harness/race-options.js'
export { raceProcesses, type RaceProcessesOptions } from './harness/race-processes.js'
export type { RaceErrorSample, RaceLatency, RaceProgress, RaceResult } from './harness/race-result.js'
