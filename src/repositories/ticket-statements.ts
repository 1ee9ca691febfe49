import { columns, NOW, type StatementTemplate, WITHIN_LOCK_TIMEOUT } from './one-statement.js'
import type { TicketRow } from './repository-client.js'

type Tables = Parameters<StatementTemplate['render']>[0]

const TICKET: readonly (keyof TicketRow)[] = ['id', 'eventId', 'seat', 'userId', 'soldAt']

/** `$1` the event, `$2` the user. Returns the ticket, and what remains. */
export const BUY_TICKET: StatementTemplate = {
  subject: 'the sale of a ticket',
  model: 'Event',
  writes: ['Event', 'Ticket'],
  render(table) {
    const [event, ticket] = [table('Event'), table('Ticket')]
    return `WITH ${keepUser(table)}, "event" AS (
        UPDATE ${event.$table} AS "e" SET ${event.remaining} = "e".${event.remaining} - 1
        WHERE "e".${event.id} = $1 AND "e".${event.remaining} >= 1 AND EXISTS (SELECT FROM "user")
        RETURNING "e".${event.id} AS "id", "e".${event.remaining} AS "remaining"
      ) INSERT INTO ${ticket.$table} AS "t" (${ticket.eventId}, ${ticket.userId}, ${ticket.soldAt})
      SELECT "id", $2, ${NOW} FROM "event" RETURNING ${columns(ticket, 't', TICKET)}, (SELECT "remaining" FROM "event")`
  },
}

/**
 * `$1` the event, `$2` the user. Returns the ticket; nothing when all seats left are in other hands, too.
 *
 * MATERIALIZED, so that one seat is locked, once. The row is then its newest version, of which PostgreSQL has
 * found again that it is free.
 */
export const BUY_ANY_TICKET: StatementTemplate = {
  subject: 'the sale of a seat',
  model: 'Ticket',
  writes: ['Ticket'],
  render(table) {
    const ticket = table('Ticket')
    return `WITH ${keepUser(table)}, "seat" AS MATERIALIZED (
        SELECT "s".${ticket.id} AS "id" FROM ${ticket.$table} AS "s"
        WHERE "s".${ticket.eventId} = $1 AND "s".${ticket.userId} IS NULL AND EXISTS (SELECT FROM "user")
        ORDER BY "s".${ticket.seat} LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
      ) UPDATE ${ticket.$table} AS "t" SET ${ticket.userId} = $2, ${ticket.soldAt} = ${NOW}
      FROM "seat" WHERE "t".${ticket.id} = "seat"."id" AND "t".${ticket.userId} IS NULL RETURNING ${columns(ticket, 't', TICKET)}`
  },
}

/**
 * The lock of `keepUser`, taken before any other: a user who is being deleted is waited for, and one who is
 * missing is no failed statement.
 */
function keepUser(table: Tables): string {
  const user = table('User')
  return `"user" AS MATERIALIZED (SELECT FROM ${user.$table} AS "u" WHERE "u".${user.id} = $2 AND ${WITHIN_LOCK_TIMEOUT} FOR KEY SHARE)`
}
