import { PrismaPg } from '@prisma/adapter-pg'
import { AssertionError } from 'node:assert'
import { advisoryLockKey, coalesce, directQuery, isRowLockError, lockable, lockInOrder, lockTree, rowLocks } from 'rowlock'
import {
  advisoryLocker,
  claim,
  complete,
  extend,
  fail,
  guardedWrite,
  leaseLocker,
  type Locker,
  memoryLocker,
  once,
  redisLocker,
  rowLocker,
  sweepOnce,
} from 'rowlock/lockers'
import * as repositories from 'rowlock/repositories'
import * as testing from 'rowlock/testing'
import { boundedCallback, callback, fields, foreign, foreignFields, type Place, raw, type Target, value } from './target.js'
import type { World } from './world.js'

const client = foreign((world) => world.prisma)
const TRANSACTION = { timeout: 40, maxWait: 5_000, retry: false } as const
const user = value((world: World) => world.user())
const key = value((world: World) => `key ${world.next()}`)
const transactionOptions: Record<string, Place> = {
  label: value('hostile input'),
  isolationLevel: value('ReadCommitted'),
  maxWait: value(5_000),
  timeout: value(40),
  lockTimeout: value(20),
  gate: value((world: World) => ['gate', world.next()]),
  signal: value(() => new AbortController().signal),
  retry: value(false),
  onRetry: value(() => () => undefined),
}
const lockerOptions = fields({
  shared: value(false),
  nowait: value(false),
  timeout: value(undefined),
  signal: value(() => new AbortController().signal),
})

/** The call in a transaction of its own, whose client is the caller's word for it. */
const inTransaction = (world: World, run: (tx: never) => Promise<unknown>) =>
  world.prisma.$transactionWithRetry(async (tx) => run(tx as never), { ...TRANSACTION, timeout: 2_000, retry: false })

type Call = (...args: never[]) => unknown
/** A function that is called with its places as they are. */
const plain = (run: Call, places: readonly Place[], more: Partial<Target> = {}): Target => ({
  places,
  call: (args) => run(...args),
  ...more,
})

function ofLocker(find: (world: World) => Locker<never> | undefined, keyPlace: Place = key): Record<string, Target> {
  return {
    withLock: {
      places: [keyPlace, callback(async () => 1), lockerOptions],
      call: ([name, run, options], world) => find(world)?.withLock(name, run, options),
    },
    acquire: {
      places: [keyPlace, lockerOptions],
      call: async ([name, options], world) => (await find(world)?.acquire(name, options))?.release(),
    },
  }
}

const prefixed = (prefix: string, targets: Record<string, Target>) =>
  Object.fromEntries(Object.entries(targets).map(([name, target]) => [`${prefix}.${name}`, target]))

const movement = fields({ userId: user, amount: value('1.00'), idempotencyKey: key })
const job = (world: World) => world.prisma.job as never
const claimed = fields({ id: value(1n), attempt: value(1) })
const lease = value(1_000)
const find = (name: 'findUnique' | 'findFirst' | 'findMany'): Target => ({
  places: [
    foreignFields({
      where: foreignFields({ id: foreign((world) => world.user()) }),
      lock: fields({ strength: value('forUpdate'), nowait: value(false), skipLocked: value(false), timeout: value(20) }),
      skip: foreign(() => undefined),
      orderBy: foreign(() => ({ id: 'asc' })),
    }),
  ],
  call: ([args], world) => inTransaction(world, (tx) => (tx as World['prisma']).user[name](args)),
})

const exploration = fields({
  client: callback(() => ({})),
  setup: callback(() => undefined),
  actors: fields({ first: callback(() => undefined) }),
  invariant: callback(() => true),
  // Not there, so that nothing is explored: what is asked of PostgreSQL is whether it is.
  database: value(`postgresql://127.0.0.1:1/rowlock_${'0'.repeat(12)}`),
  migrations: value('prisma/migrations'),
  search: fields({ mode: value('sampled'), preemptions: value(1), schedules: value(1), time: value(10), seed: value(1) }),
  signal: value(() => new AbortController().signal),
})
const raceResult = fields({
  requests: value(1),
  concurrency: value(1),
  fulfilled: value(1),
  rejected: value(0),
  unsettled: value(0),
  notStarted: value(0),
  values: value([1]),
  errors: value({}),
  errorSamples: value({}),
})

/** Every function of the entries, by the name under which it is exported. */
export const FUNCTIONS: Readonly<Record<string, Target>> = {
  // rowlock
  lockable: plain(lockable, [
    foreign(() => new PrismaPg({})),
    fields({ connection: value('postgres://localhost/x'), preparedStatements: value(true) }),
  ]),
  rowLocks: {
    places: [fields({ onEvent: callback(() => undefined), slowLock: value(1_000), telemetry: value(false) })],
    call: ([options], world) => {
      const listening = world.plain.$extends(rowLocks(options))
      return listening.$transactionWithRetry((tx) => tx.user.findUnique({ where: { id: world.user() }, lock: 'forUpdate' }), TRANSACTION)
    },
  },
  directQuery: plain(directQuery, [client, fields({ text: raw('SELECT $1::text AS "a"'), values: value(['x']) })], {
    throws: ['DriverAdapterError'],
  }),
  lockInOrder: {
    places: [value([{ model: 'user', where: { id: 1 } }]), value('forNoKeyUpdate')],
    call: ([rows, lock], world) => inTransaction(world, (tx) => lockInOrder(tx, rows, lock)),
  },
  advisoryLockKey: plain(advisoryLockKey, [value('key')]),
  coalesce: {
    places: [
      fields({
        key: callback(() => 1),
        max: value(10),
        apply: callback(async (batch: unknown[]) => batch.map(() => ({ status: 'fulfilled', value: 1 }))),
      }),
    ],
    call: async ([options]) => {
      const run = coalesce<unknown, unknown>(options)
      const outcomes = await Promise.allSettled([run(1), run(2)])
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    },
  },
  isRowLockError: plain(isRowLockError, [value(undefined)]),
  lockTree: plain(lockTree, [client]),

  // rowlock/repositories
  signIn: plain(repositories.signIn, [
    client,
    fields({ userId: user, now: value((world: World) => new Date(world.next() * 86_400_000)) }),
    fields({ timeZone: value('UTC'), dayStartsAt: value('08:00'), reward: value(1) }),
  ]),
  credit: plain(repositories.credit, [client, movement, fields({ coupons: value([{ from: 1, value: 1 }]) })]),
  withdraw: plain(repositories.withdraw, [client, movement]),
  createWallet: {
    places: [client, fields({ coupons: value([]), coalesce: fields({ max: value(5) }) })],
    call: ([prisma, options]) => repositories.createWallet(prisma, options),
  },
  setCount: plain(repositories.setCount, [client, fields({ company: value('Acme'), count: value(100) })]),
  incrementCount: plain(repositories.incrementCount, [client, fields({ company: value('Acme'), count: value(1) })]),
  decrementCount: plain(repositories.decrementCount, [client, fields({ company: value('Acme'), count: value(1) })]),
  findTickets: plain(repositories.findTickets, [client, fields({ eventId: value(2) })]),
  buyTicket: plain(repositories.buyTicket, [client, fields({ eventId: value(1), userId: user })]),
  buyAnyTicket: plain(repositories.buyAnyTicket, [client, fields({ eventId: value(1), userId: user })]),
  placeOrder: plain(repositories.placeOrder, [client, fields({ userId: user, orderId: key, amount: value('1.50') })]),

  // rowlock/lockers
  claim: plain(claim, [
    foreign(job),
    fields({
      where: foreign(() => ({})),
      orderBy: foreign(() => ({ id: 'asc' })),
      take: value(1),
      lease,
      columns: fields({ attempt: value('attempt'), runAt: value(null) }),
    }),
  ]),
  complete: plain(complete, [foreign(job), claimed, fields({ columns: fields({ completedAt: value('completedAt') }) })]),
  extend: plain(extend, [foreign(job), claimed, fields({ lease, columns: value({}) })]),
  fail: plain(fail, [foreign(job), claimed, fields({ error: value('why'), retryIn: value(1), columns: value({}) })]),
  memoryLocker: plain(memoryLocker, []),
  once: plain(once, [
    client,
    key,
    value({ a: 1 }),
    boundedCallback(async () => 1),
    fields({ ...transactionOptions, operation: value('once') }),
  ]),
  sweepOnce: plain(sweepOnce, [client, fields({ olderThan: value(1_000_000), limit: value(1) })]),
  guardedWrite: {
    places: [value(1n), fields({ model: value('Lease') })],
    call: ([token, options], world) => inTransaction(world, (tx) => guardedWrite(tx, token, options)),
  },
  leaseLocker: plain(leaseLocker, [client, fields({ ttl: value(1_000), model: value('Lease') })]),
  redisLocker: plain(redisLocker, [foreign((world) => world.redis), fields({ ttl: value(1_000), prefix: value('rowlock-hostile:') })]),
  advisoryLocker: plain(advisoryLocker, [client, fields({ maxHold: value(1_000), maxWait: value(1_000), scope: value('transaction') })]),
  rowLocker: plain(rowLocker, [
    client,
    value('user'),
    fields({ by: value('id'), strength: value('forUpdate'), maxHold: value(1_000), maxWait: value(1_000) }),
  ]),

  // rowlock/testing
  startDatabase: {
    places: [
      fields({
        migrations: value('not-there'),
        durable: value(true),
        settings: fields({ deadlock_timeout: value('10ms'), jit: value('off') }),
      }),
    ],
    // A folder that is not there, or one of another type: nothing is started for a thousand calls, but for a few.
    call: async ([options]) => {
      await using _database = await testing.startDatabase(withoutStart(options))
    },
  },
  createTemplate: plain(testing.createTemplate, [value('postgresql://127.0.0.1:1/x'), fields({ migrations: value('prisma/migrations') })], {
    share: 0.2,
  }),
  cloneDatabase: plain(testing.cloneDatabase, [fields({ adminUrl: value('postgresql://127.0.0.1:1/x'), name: value('template') })], {
    share: 0.2,
  }),
  applyMigrations: plain(testing.applyMigrations, [value('postgresql://127.0.0.1:1/x'), value('not-there')]),
  checkLedger: plain(testing.checkLedger, [client, fields({ successes: value(0), kind: value('CREDIT'), walletId: value(999_999) })], {
    throws: [AssertionError.name],
  }),
  // What it returns is what it was given: to await that would be to call the caller's own `then`.
  defineRaceActor: { places: [fields({ run: callback(() => 1) })], call: ([actor]) => void testing.defineRaceActor(actor) },
  expectExactly: plain(testing.expectExactly, [raceResult, value(1)], { throws: [AssertionError.name] }),
  expectExactlyOne: plain(testing.expectExactlyOne, [raceResult], { throws: [AssertionError.name] }),
  race: plain(testing.race, [
    fields({
      requests: value(3),
      concurrency: value(2),
      run: boundedCallback(() => 1),
      client: boundedCallback(() => ({})),
      signal: value(() => new AbortController().signal),
      deadline: value(30),
      onProgress: callback(() => undefined),
    }),
  ]),
  raceProcesses: plain(testing.raceProcesses, [
    fields({
      processes: value(0),
      requests: value(1),
      concurrency: value(1),
      module: value('not-there.js'),
      exportName: value('x'),
      input: value(1),
      deadline: value(30),
      onProgress: callback(() => undefined),
    }),
  ]),
  defineExploration: { places: [exploration], call: ([options]) => void testing.defineExploration(options) },
  explore: plain(testing.explore, [exploration], { share: 0.3 }),
  replay: plain(testing.replay, [value('rowlock1.W1siZmlyc3QiXSwiMCJd'), exploration], { share: 0.3 }),
  expectHolds: plain(testing.expectHolds, [fields({ verdict: value('held'), text: value(() => () => 'text') })], {
    throws: [AssertionError.name],
  }),
}

/** What the functions return, and the extension adds to a client. */
export const METHODS: Readonly<Record<string, Target>> = {
  $transactionWithRetry: {
    places: [
      boundedCallback(async (tx: { $queryRawUnsafe(sql: string): Promise<unknown> }) => tx.$queryRawUnsafe('SELECT 1')),
      fields(transactionOptions),
    ],
    call: ([run, options], world) => world.prisma.$transactionWithRetry(run, options),
  },
  $advisoryLock: {
    places: [value((world: World) => ['key', world.next()]), fields({ shared: value(false), nowait: value(false), timeout: value(20) })],
    call: ([name, options], world) => inTransaction(world, (tx) => (tx as World['prisma']).$advisoryLock(name, options)),
  },
  'model.withLock': {
    places: [
      foreignFields({ where: foreignFields({ id: foreign((world: World) => world.user()) }) }),
      boundedCallback(async () => 1),
      fields({ ...transactionOptions, lock: value('forShare') }),
    ],
    call: ([args, run, options], world) => world.prisma.user.withLock(args, run, options),
  },
  'model.findUnique': find('findUnique'),
  'model.findFirst': find('findFirst'),
  'model.findMany': find('findMany'),
  ...prefixed(
    'memoryLocker',
    ofLocker((world) => world.memory as never),
  ),
  ...prefixed(
    'leaseLocker',
    ofLocker((world) => world.leases as never),
  ),
  ...prefixed(
    'rowLocker',
    ofLocker(
      (world) => world.rows as never,
      value((world: World) => String(world.user())),
    ),
  ),
  ...prefixed(
    'advisoryLocker',
    ofLocker((world) => world.transactions as never),
  ),
  ...prefixed(
    'advisoryLocker in session scope',
    ofLocker((world) => world.sessions as never),
  ),
  ...prefixed(
    'redisLocker',
    ofLocker((world) => world.redisLocks as never),
  ),
  'leaseLocker.guardedWrite': {
    places: [value(1n)],
    call: ([token], world) => inTransaction(world, (tx) => world.leases.guardedWrite(tx, token)),
  },
  'leaseLocker.sweep': { places: [fields({ olderThan: value(60_000) })], call: ([options], world) => world.leases.sweep(options) },
  'createWallet.credit': { places: [movement], call: ([input], world) => world.wallet.credit(input) },
  'createWallet.withdraw': { places: [movement], call: ([input], world) => world.wallet.withdraw(input) },
}

/** Errors and tables of values, which nobody calls with anything. */
export const isNoFunction = (exported: unknown): boolean =>
  typeof exported !== 'function' || (exported as { prototype?: unknown }).prototype instanceof Error

function withoutStart(options: unknown): never {
  try {
    const { migrations } = options as { migrations?: unknown }
    if (migrations === undefined || migrations === false || migrations === 'prisma/migrations') return { migrations: 'not-there' } as never
  } catch {
    // Then it is not read by `startDatabase` either.
  }
  return (options === undefined ? { migrations: 'not-there' } : options) as never
}
