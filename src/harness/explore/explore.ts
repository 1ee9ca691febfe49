import type { SqlDriverAdapterFactory } from '../../adapter/driver-adapter.js'
import { InvalidOptionError } from '../../core/errors.js'
import { assertFunction, assertKnownOptions, assertSignal } from '../../core/option-checks.js'
import type { StepEvent } from '../../explorer/history.js'
import { nameAnomaly } from '../../explorer/name-anomaly.js'
import type { Counterexample, ExploreCounts, ExploreFacts } from '../../explorer/report-types.js'
import { type Choice, choicesOf, formatSchedule } from '../../explorer/schedule.js'
import { ScheduleMismatch } from '../../explorer/scheduler.js'
import { formatToken, parseToken } from '../../explorer/token.js'
import { Exploration, type Run } from './exploration.js'
import { createReport, type ExploreReport } from './explore-report.js'
import { accessOf, tablesOf } from './footprint.js'
import { type Invariant, InvariantJudge, type Judge, SerialJudge, describeOutcome, describeOutcomes } from './judge.js'
import type { Operation } from './run-schedule.js'
import { openScratchDatabase, type DatabaseChoice } from './scratch-choice.js'
import { type FoundFault, replayRun, Search, type SearchResult } from './search.js'
import { parseSearchOptions, type SearchOptions } from './search-options.js'

/** What to explore. */
export interface ExploreOptions<Client> {
  /** Makes a client for an actor from its adapter: `(adapter) => new PrismaClient({ adapter })`. */
  readonly client: (adapter: SqlDriverAdapterFactory) => Client
  /** Writes the rows that every schedule starts from; called once. */
  readonly setup: (prisma: Client) => unknown
  /** The operations that run against each other, by name; each gets a client of its own. */
  readonly actors: Readonly<Record<string, (prisma: Client) => unknown>>
  /**
   * What must hold after every schedule: throw, or return false or a sentence, when it is broken.
   * Default: what is left must be what some order of the operations one after another leaves.
   */
  readonly invariant?: Invariant<Client>
  /**
   * The URL of a database made by `startDatabase`, with its tables, or `{ url, allow: true }` for any
   * other, whose rows the exploration overwrites. Default: a throw-away one with `migrations`.
   */
  readonly database?: DatabaseChoice
  /** The migrations of the throw-away database. Default: `'prisma/migrations'`. */
  readonly migrations?: string
  readonly search?: SearchOptions
  /** Ends the exploration when aborted. */
  readonly signal?: AbortSignal
}

const OPTION_KEYS = ['client', 'setup', 'actors', 'invariant', 'database', 'migrations', 'search', 'signal']
const RUN_TIMEOUT = 20_000
const MAX_ACTORS = 6

/**
 * Runs the operations against a real PostgreSQL in every order of their SQL statements that is feasible,
 * or as many as the budget allows, and reports whether the invariant held in all of them, or else the
 * smallest order that breaks it.
 *
 * Statement by statement: faults of the network and other PostgreSQL versions are not explored.
 *
 * @throws {InvalidOptionError} for an option that is not allowed; nothing is started.
 * @throws {ActorStuckError} when an operation waits for something else than PostgreSQL or its own timers.
 * @throws {DatabaseUnavailableError} when no PostgreSQL can be had.
 * @throws What `client` or `setup` throws, and the signal's reason when it is aborted.
 * @example
 * ```ts
 * const report = await explore({
 *   client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
 *   setup: (prisma) => prisma.user.create({ data: { id: 1, name: 'Ada' } }),
 *   actors: { first: (prisma) => signIn(prisma, { userId: 1 }), second: (prisma) => signIn(prisma, { userId: 1 }) },
 *   invariant: async (prisma) => (await prisma.signIn.count()) === 1,
 * })
 * expectHolds(report)
 * ```
 */
export async function explore<Client>(options: ExploreOptions<Client>): Promise<ExploreReport> {
  const settings = parseSearchOptions(options.search)
  return withExploration(options, async (exploration) => {
    const judge = judgeOf(exploration, options)
    const tally = new Tally()
    try {
      const search = new Search(exploration, judge, settings, (run) => tally.add(run, exploration))
      const result = await search.run(exploration.actors.length)
      return createReport(await describe(result, exploration, judge, tally))
    } catch (error) {
      if (error instanceof ScheduleMismatch) return createReport(mismatch(error, exploration, tally))
      throw error
    }
  })
}

/**
 * Runs one schedule again, by the token that a report printed.
 *
 * @throws As {@link explore}; `InvalidOptionError` also for a token that is not one, or is for other actors.
 */
export async function replay<Client>(token: string, options: ExploreOptions<Client>): Promise<ExploreReport> {
  const choices = parseToken(token, Object.keys(options.actors ?? {}))
  const settings = parseSearchOptions({ ...options.search, mode: 'bounded', preemptions: 0 })
  return withExploration(options, async (exploration) => {
    const judge = judgeOf(exploration, options)
    const tally = new Tally()
    // Without an invariant the serial orders say what is allowed.
    if (!options.invariant) await new Search(exploration, judge, settings, async () => undefined).run(exploration.actors.length)
    try {
      const run = await replayRun(exploration, choices)
      await tally.add(run, exploration)
      const fault = await judge.judge(run)
      const result: SearchResult = fault
        ? { kind: 'violated', found: { run, fault, choices, preemptions: 0 } }
        : { kind: 'held', coverage: { kind: 'sampled', seed: settings.seed, schedules: 1, preemptions: 0 } }
      return createReport(await describe(result, exploration, judge, tally))
    } catch (error) {
      if (error instanceof ScheduleMismatch) return createReport(mismatch(error, exploration, tally))
      throw error
    }
  })
}

async function withExploration<Client, R>(
  options: ExploreOptions<Client>,
  use: (exploration: Exploration<Client>) => Promise<R>,
): Promise<R> {
  checkOptions(options)
  options.signal?.throwIfAborted()
  await using database = await openScratchDatabase(options.database, options.migrations)
  const exploration = new Exploration<Client>({
    url: database.url,
    client: options.client as never,
    setup: options.setup,
    operations: new Map(Object.entries(options.actors)) as ReadonlyMap<string, Operation>,
    runTimeout: RUN_TIMEOUT,
    signal: options.signal,
  })
  try {
    await exploration.start()
    return await use(exploration)
  } finally {
    await exploration.stop()
  }
}

function checkOptions<Client>(options: ExploreOptions<Client>): void {
  assertKnownOptions(options, OPTION_KEYS, 'options')
  assertFunction(options.client, 'client')
  assertFunction(options.setup, 'setup')
  if (options.invariant !== undefined) assertFunction(options.invariant, 'invariant')
  assertSignal(options.signal, 'signal')
  const { actors } = options
  const count = typeof actors === 'object' && actors !== null ? Object.keys(actors).length : 0
  if (count < 1 || count > MAX_ACTORS) throw new InvalidOptionError('actors', actors, `an object of 1 to ${MAX_ACTORS} functions`)
  for (const [name, run] of Object.entries(actors)) assertFunction(run, `actors.${name}`)
}

function judgeOf<Client>(exploration: Exploration<Client>, { invariant }: ExploreOptions<Client>): Judge {
  return invariant ? new InvariantJudge(exploration, invariant) : new SerialJudge(exploration)
}

/** What happened over all schedules. */
class Tally {
  #started = performance.now()
  #schedules = 0
  #blocked = 0
  #deadlocked = 0
  #retried = 0
  #shared = false
  readonly #results = new Set<string>()
  readonly #seen = new Set<string>()

  async add({ history, outcomes }: Run, { data }: Exploration<never> | Exploration<any>): Promise<void> {
    // The serial orders come again among the schedules without preemptions.
    const schedule = formatSchedule(choicesOf(history.decisions))
    if (this.#seen.has(schedule)) return
    this.#seen.add(schedule)
    const steps = history.events.filter((event): event is StepEvent => event.kind === 'step')
    this.#schedules++
    if (steps.some(({ wait }) => wait)) this.#blocked++
    if (history.events.some(({ kind }) => kind === 'deadlock')) this.#deadlocked++
    if (
      steps.some(
        (step) =>
          isRetryable(step) &&
          steps.some((later) => later.actor === step.actor && later.step > step.step && later.transaction !== step.transaction),
      )
    )
      this.#retried++
    this.#shared ||= sharesTable(steps, (sql) => [...tablesOf(sql, data).reads, ...tablesOf(sql, data).writes])
    this.#results.add(`${await data.readState()}\n${describeOutcomes(outcomes)}`)
  }

  get counts(): ExploreCounts {
    const duration = performance.now() - this.#started
    return {
      schedules: this.#schedules,
      blocked: this.#blocked,
      deadlocked: this.#deadlocked,
      retried: this.#retried,
      outcomes: this.#results.size,
      schedulesPerSecond: Math.round((this.#schedules / duration) * 1_000),
      duration: Math.round(duration),
    }
  }

  get warnings(): string[] {
    if (!this.#shared) return ['No table was touched by two actors: these operations cannot meet.']
    return this.#blocked === 0 ? ['No schedule ever waited for a lock: the operations meet, but nothing keeps them apart.'] : []
  }
}

const isRetryable = ({ result }: StepEvent) => result?.sqlState === '40001' || result?.sqlState === '40P01'

function sharesTable(steps: readonly StepEvent[], tables: (sql: string) => readonly string[]): boolean {
  const owner = new Map<string, number>()
  return steps.some((step) =>
    tables(step.sql).some((table) => {
      const first = owner.get(table) ?? step.actor
      owner.set(table, first)
      return first !== step.actor
    }),
  )
}

async function describe<Client>(result: SearchResult, exploration: Exploration<Client>, judge: Judge, tally: Tally): Promise<ExploreFacts> {
  const actors = exploration.actors.map(({ name }) => name)
  const common = { counts: tally.counts, warnings: tally.warnings, actors }
  if (result.kind === 'held') return { ...common, verdict: 'held', coverage: result.coverage }
  if (result.kind === 'exhausted') {
    return {
      ...common,
      verdict: 'exhausted',
      coverage: result.coverage,
      reason: 'The budget of schedules or time ended before all schedules of the search were run.',
    }
  }
  const { found } = result
  const token = formatToken(actors, found.choices)
  const difference = await runAgain(found, exploration, judge)
  if (difference) return { ...common, verdict: 'nondeterministic', token, ...difference }
  return { ...common, verdict: 'violated', token, counterexample: counterexampleOf(found, exploration) }
}

/** A fault counts only if the same schedule shows it again: anything else is chance in the code under test. */
async function runAgain<Client>(found: FoundFault, exploration: Exploration<Client>, judge: Judge) {
  const again = await replayRun(exploration, found.choices as Choice[])
  const [first, second] = [eventLines(found.run), eventLines(again)]
  const step = first.findIndex((line, index) => line !== second[index])
  if (step !== -1 || first.length !== second.length) {
    const at = step === -1 ? Math.min(first.length, second.length) : step
    return { step: at + 1, first: first[at] ?? '(nothing)', second: second[at] ?? '(nothing)' }
  }
  const fault = await judge.judge(again)
  return fault ? undefined : { step: first.length, first: found.fault.reason, second: 'the invariant holds' }
}

const eventLines = ({ history }: Run) =>
  history.events.map((event) =>
    event.kind === 'step'
      ? `${event.actor} ${event.sql.replace(/\/\*rowlock:\d+\*\//, '')} -> ${event.result?.sqlState ?? event.result?.rows ?? '?'}${event.wait ? ' waited' : ''}`
      : `${event.kind} ${'actor' in event ? event.actor : ''}`,
  )

function counterexampleOf<Client>({ run, fault, preemptions }: FoundFault, exploration: Exploration<Client>): Counterexample {
  const actors = exploration.actors.map(({ name }) => name)
  return {
    actors,
    events: run.history.events,
    preemptions,
    reason: fault.reason,
    expected: fault.expected,
    actual: fault.actual,
    outcomes: Object.entries(run.outcomes).map(([actor, outcome]) => ({ actor, status: outcome.status, text: describeOutcome(outcome) })),
    anomaly: nameAnomaly(run.history.events, actors, (sql, args) => accessOf(sql, args, exploration.data)),
  }
}

function mismatch<Client>({ depth, message }: ScheduleMismatch, exploration: Exploration<Client>, tally: Tally): ExploreFacts {
  const actors = exploration.actors.map(({ name }) => name)
  return {
    counts: tally.counts,
    warnings: tally.warnings,
    actors,
    verdict: 'nondeterministic',
    step: depth + 1,
    first: 'the same choices led here before',
    second: message,
    token: formatToken(actors, []),
  }
}
