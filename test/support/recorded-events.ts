import type postgres from 'postgres'
import type { RowLockEvent } from 'rowlock'
import { waitUntil } from './wait-until.js'

type EventOf<Type extends RowLockEvent['type']> = Extract<RowLockEvent, { type: Type }>

/** A listener that keeps what it is told. */
export class RecordedEvents {
  readonly all: RowLockEvent[] = []
  readonly onEvent = (event: RowLockEvent): void => void this.all.push(event)

  get types(): string[] {
    return this.all.map(({ type }) => type)
  }

  of<Type extends RowLockEvent['type']>(type: Type): EventOf<Type>[] {
    return this.all.filter((event): event is EventOf<Type> => event.type === type)
  }

  /** The first event of the type, when it has come: PostgreSQL passes the time until then. */
  async first<Type extends RowLockEvent['type']>(type: Type, sql: postgres.Sql): Promise<EventOf<Type>> {
    return waitUntil(`${type} is told`, async () => {
      await sql`SELECT pg_sleep(0.001)`
      return this.of(type)[0]
    })
  }

  clear(): void {
    this.all.length = 0
  }
}
