import { assertRowLocksClient } from '../extension/row-locks-client.js'
import { EventNotFoundError, SoldOutError } from './errors.js'
import { readOptions, parseId } from './input-checks.js'
import { runOneStatement } from './one-statement.js'
import type { EventRow, FreeSeat, RepositoryClient, RepositoryTransaction, TicketRow } from './repository-client.js'
import { runOperation } from './run-operation.js'
import { readServerClock } from './server-clock.js'
import { BUY_ANY_TICKET, BUY_TICKET } from './ticket-statements.js'
import { keepUser } from './user.js'

/** For which event. */
export interface FindTicketsInput {
  readonly eventId: number
}

/** What is for sale. */
export interface FindTicketsResult {
  /** How many tickets without a seat are left. */
  readonly remaining: number
  /** The numbered seats that are not sold, by number. */
  readonly seats: readonly TicketRow[]
}

/** Who buys, and for which event. */
export interface BuyTicketInput {
  readonly eventId: number
  readonly userId: number
}

/** What `buyTicket` has sold. */
export interface BuyTicketResult {
  readonly ticket: TicketRow
  /** How many tickets without a seat are left after this one. */
  readonly remaining: number
}

/** What `buyAnyTicket` has sold. */
export interface BuyAnyTicketResult {
  readonly ticket: TicketRow
}

type Tx = RepositoryTransaction<'user' | 'event' | 'ticket'>

/**
 * What is for sale: a plain read, which never waits for buyers and never makes them wait. All of it may
 * be gone a moment later.
 *
 * @param db A client with `rowLocks()`, or a transaction client.
 * @throws {EventNotFoundError} when there is no such event.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @example
 * ```ts
 * const { remaining, seats } = await findTickets(prisma, { eventId: 1 })
 * ```
 */
export async function findTickets(db: RepositoryClient<'event' | 'ticket'>, input: FindTicketsInput): Promise<FindTicketsResult> {
  assertRowLocksClient(db)
  input = readOptions(input, ['eventId'], 'input')
  const eventId = parseId(input.eventId, 'eventId')
  const tx: RepositoryTransaction<'event' | 'ticket'> = db
  const event = await tx.event.findUnique({ where: { id: eventId } })
  if (!event) throw new EventNotFoundError(eventId)
  const seats = await tx.ticket.findMany({ where: freeSeat(eventId), orderBy: { seat: 'asc' } })
  return { remaining: event.remaining, seats }
}

/**
 * Sells one of the event's `remaining` tickets, or refuses: never more are sold than there are, however
 * many buyers come at once.
 *
 * Locks the event (`forNoKeyUpdate`) until the transaction ends: buyers of one event come one after
 * another. Keeps the user from being deleted.
 *
 * @param db A client with `rowLocks()`: the sale is one statement, past the client's query extensions, and where that
 *   has no row to change, a retried transaction that says why; or a transaction client: it joins that transaction.
 * @throws {SoldOutError} when none remains.
 * @throws {EventNotFoundError} when there is no such event.
 * @throws {UserNotFoundError} when there is no such user.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { ticket, remaining } = await buyTicket(prisma, { eventId: 1, userId: 1 })
 * ```
 */
export async function buyTicket(db: RepositoryClient<'user' | 'event' | 'ticket'>, input: BuyTicketInput): Promise<BuyTicketResult> {
  const { eventId, userId } = parseInput(input)
  return runOperation(db, {
    row: ['Event', eventId],
    run: (tx) => runBuyTicket(tx, eventId, userId),
    runAtOnce: () => buyTicketAtOnce(db, eventId, userId),
  })
}

async function buyTicketAtOnce(db: unknown, eventId: number, userId: number): Promise<BuyTicketResult | undefined> {
  const row = await runOneStatement<TicketRow & { remaining: number }>(db, BUY_TICKET, [eventId, userId])
  if (!row) return undefined
  const { remaining, ...ticket } = row
  return { ticket, remaining }
}

async function runBuyTicket(tx: Tx, eventId: number, userId: number): Promise<BuyTicketResult> {
  // First what can be done without the event's lock, which all other buyers wait for.
  await keepUser(tx, userId)
  const soldAt = await readServerClock(tx)
  await lockEvent(tx, eventId)
  // The guard: the check and the change are one statement, right also for a row that nobody had locked.
  const [event] = await tx.event.updateManyAndReturn({
    where: { id: eventId, remaining: { gte: 1 } },
    data: { remaining: { decrement: 1 } },
  })
  if (!event) throw new SoldOutError(eventId)
  const ticket = await tx.ticket.create({ data: { eventId, userId, soldAt } })
  return { ticket, remaining: event.remaining }
}

async function lockEvent(tx: Tx, eventId: number): Promise<EventRow> {
  const event = await tx.event.findUnique({ where: { id: eventId }, lock: 'forNoKeyUpdate' })
  if (!event) throw new EventNotFoundError(eventId)
  return event
}

/**
 * Sells one of the event's numbered seats, the lowest that is free. Each seat is sold once, and every
 * buyer gets one while there are enough: N buyers of N seats do not wait for each other.
 *
 * Locks the seat (`forNoKeyUpdate`) until the transaction ends, and skips seats that others have locked.
 * Only when every seat left is in another buyer's hands it waits for the lowest of them, because that
 * sale may still be undone; it says `SoldOutError` once they are all committed.
 *
 * @param db A client with `rowLocks()`: the sale is one statement, past the client's query extensions, and where that
 *   has no row to change, a retried transaction that says why; or a transaction client: it joins that transaction.
 * @throws {SoldOutError} when every seat is sold, or the event has none.
 * @throws {EventNotFoundError} when there is no such event.
 * @throws {UserNotFoundError} when there is no such user.
 * @throws {InvalidOptionError} for an argument that is not allowed; nothing was sent.
 * @throws What `$transactionWithRetry` throws.
 * @example
 * ```ts
 * const { ticket } = await buyAnyTicket(prisma, { eventId: 1, userId: 1 })
 * console.log(`Your seat is number ${ticket.seat}`)
 * ```
 */
export async function buyAnyTicket(db: RepositoryClient<'user' | 'event' | 'ticket'>, input: BuyTicketInput): Promise<BuyAnyTicketResult> {
  const { eventId, userId } = parseInput(input)
  return runOperation(db, {
    // Each takes the next seat that nobody has locked.
    row: undefined,
    run: (tx) => runBuyAnyTicket(tx, eventId, userId),
    runAtOnce: async () => {
      const ticket = await runOneStatement<TicketRow>(db, BUY_ANY_TICKET, [eventId, userId])
      return ticket && { ticket }
    },
  })
}

async function runBuyAnyTicket(tx: Tx, eventId: number, userId: number): Promise<BuyAnyTicketResult> {
  await keepUser(tx, userId)
  const soldAt = await readServerClock(tx)
  for (;;) {
    const seat = await lockSeat(tx, eventId)
    // The guard: a seat is only ever taken from nobody.
    const [ticket] = await tx.ticket.updateManyAndReturn({ where: { id: seat.id, userId: null }, data: { userId, soldAt } })
    if (ticket) return { ticket }
  }
}

/**
 * Three statements, of which the first one nearly always answers:
 *
 * 1. the lowest free seat that nobody has locked. None: the rest is sold or locked;
 * 2. an unlocked read, which sees locked seats as free until their sale is committed. None: sold out;
 * 3. the lowest free seat, waiting for its lock. When its sale is committed, PostgreSQL goes on to the
 *    next one by itself. None: all that were free to the eye are sold now. Seats that came back while
 *    this waited are not in its snapshot: look again.
 */
async function lockSeat(tx: Tx, eventId: number): Promise<TicketRow> {
  const lowest = { where: freeSeat(eventId), orderBy: { seat: 'asc' } } as const
  for (;;) {
    const unlocked = await tx.ticket.findFirst({ ...lowest, lock: { strength: 'forNoKeyUpdate', skipLocked: true } })
    if (unlocked) return unlocked
    if (!(await tx.ticket.findFirst(lowest))) throw await soldOut(tx, eventId)
    const awaited = await tx.ticket.findFirst({ ...lowest, lock: 'forNoKeyUpdate' })
    if (awaited) return awaited
  }
}

async function soldOut(tx: Tx, eventId: number): Promise<SoldOutError | EventNotFoundError> {
  return (await tx.event.findUnique({ where: { id: eventId } })) ? new SoldOutError(eventId) : new EventNotFoundError(eventId)
}

// A ticket without a buyer is a seat: one from `Event.remaining` exists only once it is sold.
const freeSeat = (eventId: number): FreeSeat => ({ eventId, userId: null })

function parseInput(input: BuyTicketInput): BuyTicketInput {
  input = readOptions(input, ['eventId', 'userId'], 'input')
  return { eventId: parseId(input.eventId, 'eventId'), userId: parseId(input.userId, 'userId') }
}
