import type { SqlDriverAdapterFactory } from '../../adapter/driver-adapter.js'
import { InvalidOptionError } from '../../core/errors.js'
import { assertFunction, assertSignal, isObject, readable, readOptions } from '../../core/option-checks.js'
import { countPreemptions } from '../../explorer/schedule.js'
import { ScheduleMismatch } from '../../explorer/scheduler.js'
import { parseToken } from '../../explorer/token.js'
import { describeMismatch, describeResult } from './describe-result.js'
import { Exploration } from './exploration.js'
import { createReport, type ExploreReport } from './explore-report.js'
import { type Invariant, InvariantJudge, type Judge, SerialJudge } from './judge.js'
import { openScratchDatabase, type DatabaseChoice } from './scratch-choice.js'
import { replayRun, Search, type SearchResult } from './search.js'
import { parseSearchOptions, type SearchOptions } from './search-options.js'
import { Tally } from './tally.js'

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
  /** How many schedules to run, and which. Default: as {@link SearchOptions} says. */
  readonly search?: SearchOptions
  /** Ends the exploration when aborted. Default: none. */
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
  options = readChecked(options)
  const settings = parseSearchOptions(options.search)
  return investigate(options, async (exploration, judge, tally) => {
    const search = new Search(exploration, judge, settings, (run) => tally.add(run, exploration.data))
    return search.run(exploration.actors.length)
  })
}

/**
 * Runs one schedule again, by the token that a report printed.
 *
 * @throws As {@link explore}; `InvalidOptionError` also for a token that is not one, or is for other actors.
 * @example
 * ```ts
 * const options = defineExploration({
 *   client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
 *   setup: (prisma) => prisma.user.create({ data: { id: 1, name: 'Ada' } }),
 *   actors: { first: (prisma) => signIn(prisma, { userId: 1 }), second: (prisma) => signIn(prisma, { userId: 1 }) },
 * })
 * expectHolds(await replay('rowlock1.W1siZmlyc3QiLCJzZWNvbmQiXSwiMCAxIDEgMSAwIDAiXQ', options))
 * ```
 */
export async function replay<Client>(token: string, options: ExploreOptions<Client>): Promise<ExploreReport> {
  options = readChecked(options)
  const choices = parseToken(token, Object.keys(options.actors))
  return investigate(options, async (exploration, judge, tally) => {
    // Without an invariant the serial orders say what is allowed.
    if (!options.invariant) await learnSerialOrders(exploration, judge)
    const run = await replayRun(exploration, choices)
    await tally.add(run, exploration.data)
    const fault = await judge.judge(run)
    if (!fault) return { kind: 'held', coverage: { kind: 'replayed' } }
    return { kind: 'violated', found: { run, fault, choices, preemptions: countPreemptions(run.history.decisions) } }
  })
}

async function investigate<Client>(
  options: ExploreOptions<Client>,
  search: (exploration: Exploration<Client>, judge: Judge, tally: Tally) => Promise<SearchResult>,
): Promise<ExploreReport> {
  options.signal?.throwIfAborted()
  await using database = await openScratchDatabase(options.database, options.migrations)
  const exploration = new Exploration<Client>({
    url: database.url,
    client: options.client,
    setup: options.setup,
    operations: new Map(Object.entries(options.actors)),
    runTimeout: RUN_TIMEOUT,
    signal: options.signal,
  })
  const judge = options.invariant ? new InvariantJudge(exploration, options.invariant) : new SerialJudge(exploration)
  const tally = new Tally()
  try {
    await exploration.start()
    const result = await search(exploration, judge, tally)
    return createReport(await describeResult(result, exploration, judge, tally))
  } catch (error) {
    if (error instanceof ScheduleMismatch) return createReport(describeMismatch(error, exploration, tally))
    throw error
  } finally {
    await exploration.stop()
  }
}

async function learnSerialOrders<Client>(exploration: Exploration<Client>, judge: Judge): Promise<void> {
  const settings = parseSearchOptions({ mode: 'bounded', preemptions: 0 })
  await new Search(exploration, judge, settings, async () => undefined).run(exploration.actors.length)
}

function readChecked<Client>(given: ExploreOptions<Client>): ExploreOptions<Client> {
  const options = readOptions(given, OPTION_KEYS, 'options')
  assertFunction(options.client, 'client')
  assertFunction(options.setup, 'setup')
  if (options.invariant !== undefined) assertFunction(options.invariant, 'invariant')
  assertSignal(options.signal, 'signal')
  const actors: Record<string, unknown> = isObject(options.actors) ? readable(options.actors, 'actors', () => ({ ...options.actors })) : {}
  const count = Object.keys(actors).length
  if (count < 1 || count > MAX_ACTORS) throw new InvalidOptionError('actors', options.actors, `an object of 1 to ${MAX_ACTORS} functions`)
  for (const [name, run] of Object.entries(actors)) assertFunction(run, `actors.${name}`)
  return { ...options, actors: actors as typeof options.actors }
}
