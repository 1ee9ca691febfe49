/**
 * Proof that exactly one wins: throw-away databases, races, the explorer of schedules, and checks of the ledger.
 *
 * @module rowlock/testing
 */

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
export { defineExploration } from './harness/explore/define-exploration.js'
export { explore, replay, type ExploreOptions } from './harness/explore/explore.js'
export { expectHolds, type ExploreReport } from './harness/explore/explore-report.js'
export { ActorStuckError } from './harness/explore/explore-errors.js'
export type { Outcome } from './harness/explore/actor.js'
export type { Invariant, InvariantContext } from './harness/explore/judge.js'
export type { DatabaseChoice } from './harness/explore/scratch-choice.js'
export type { SearchOptions } from './harness/explore/search-options.js'
export type { Anomaly, Counterexample, Coverage, ExploreCounts, ExploreFacts, ExploreSummary } from './explorer/report-types.js'
export type { HistoryEvent, StepEvent, StepResult } from './explorer/history.js'
