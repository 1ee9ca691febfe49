import { RowLockError } from '../../core/errors.js'

/** An actor neither ends nor sends a statement, and no timer of its own would wake it. */
export class ActorStuckError extends RowLockError {
  readonly code = 'ACTOR_STUCK'
  readonly retryable = false
  /** Its name in the options. */
  readonly actor: string

  constructor(actor: string, blockedByStranger: boolean) {
    super(
      blockedByStranger
        ? `Actor \`${actor}\` waits for a lock that a session outside the exploration holds; give the exploration a database of its own.`
        : `Actor \`${actor}\` never settles: it waits for something else than PostgreSQL or its own timers.`,
    )
    this.actor = actor
  }
}
