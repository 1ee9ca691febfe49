import type { HistoryEvent, StepEvent } from './history.js'
import type { Anomaly } from './report-types.js'

/** What a statement does; the explorer itself knows no SQL. */
export interface StatementAccess {
  /** The tables whose rows it reads, locked or not. */
  readonly reads: ReadonlySet<string>
  readonly writes: ReadonlySet<string>
  readonly inserts: boolean
  /** Its condition without the values, and the values: equal conditions with other values are other rows. */
  readonly condition: readonly [shape: string, values: string]
}

export type AccessOf = (sql: string, args: readonly unknown[]) => StatementAccess

interface Access extends StepEvent, StatementAccess {
  /** The step as of which it reads: its own, the one that ended its wait, or its transaction's first. */
  readonly seenAt: number
  /** The step that ended it, later than its own when it had to wait. */
  readonly endedAt: number
  /** The step with which others can see what it wrote: its transaction's last. */
  readonly publishedAt: number
}

/**
 * Names the anomaly of a broken run by its pattern of reads and writes.
 *
 * @see Berenson et al.: A Critique of ANSI SQL Isolation Levels (1995); Adya: Weak Consistency (1999)
 */
export function nameAnomaly(events: readonly HistoryEvent[], actors: readonly string[], accessOf: AccessOf): Anomaly {
  const steps = events.filter((event): event is StepEvent => event.kind === 'step')
  const accesses = steps.map((event): Access => ({ ...event, ...accessOf(event.sql, event.args), ...momentsOf(event, steps) }))
  const deadlock = events.find((event) => event.kind === 'deadlock')
  const failedAtLast = deadlock && !goesOnAfter(deadlock, accesses)
  if (failedAtLast) return nameDeadlock(deadlock, actors)
  return (
    repeatedSideEffect(accesses, actors) ??
    swallowedError(events, accesses, actors) ??
    firstOf(accesses, actors, lostUpdate) ??
    firstOf(accesses, actors, doubleInsert) ??
    firstOf(accesses, actors, writeSkew) ??
    firstOf(accesses, actors, readSkew) ??
    firstOf(accesses, actors, staleCondition) ?? {
      name: 'unserializable order',
      sentence: 'No single read or write stands out: the order of the statements as a whole gives this result.',
      prevention: 'Lock the first row that all the operations use, or run them at isolation level Serializable with a retry.',
      steps: [],
    }
  )
}

function momentsOf(event: StepEvent, steps: readonly StepEvent[]): Pick<Access, 'seenAt' | 'endedAt' | 'publishedAt'> {
  const endedAt = event.wait?.until ?? event.step
  const own = steps.filter(
    ({ actor, transaction }) => actor === event.actor && transaction !== undefined && transaction === event.transaction,
  )
  const oneSnapshot = /^(?:REPEATABLE READ|SERIALIZABLE)$/i.test(event.isolationLevel ?? '')
  return { endedAt, seenAt: oneSnapshot && own[0] ? own[0].step : endedAt, publishedAt: own.at(-1)?.step ?? endedAt }
}

type Pattern = (mine: readonly Access[], theirs: readonly Access[], names: { me: string; them: string }) => Anomaly | undefined

function firstOf(accesses: readonly Access[], actors: readonly string[], pattern: Pattern): Anomaly | undefined {
  for (const [me, meName] of actors.entries()) {
    for (const [them, themName] of actors.entries()) {
      if (me === them) continue
      const by = (actor: number) =>
        accesses.filter((access) => access.actor === actor && (access.result?.error === undefined || isDuplicate(access)))
      const found = pattern(by(me), by(them), { me: meName, them: themName })
      if (found) return found
    }
  }
  return undefined
}

/** I read, they write, I write on top of it. */
const lostUpdate: Pattern = (mine, theirs, names) => findLostUpdate(mine, theirs, names, (read) => read.seenAt)

/** I waited for a row, but picked it before: only what stands beside the lock is looked at again. */
const staleCondition: Pattern = (mine, theirs, names) => findLostUpdate(mine, theirs, names, (read) => read.step)

function findLostUpdate(
  mine: readonly Access[],
  theirs: readonly Access[],
  { me, them }: { me: string; them: string },
  seenAt: (read: Access) => number,
): Anomaly | undefined {
  for (const write of mine.filter((access) => !access.inserts)) {
    for (const table of write.writes) {
      for (const read of mine.filter((access) => access.step < write.step && access.reads.has(table) && isSameWork(access, write))) {
        const between = theirs.find(
          (access) =>
            !access.inserts &&
            access.writes.has(table) &&
            !areOtherRows(access, write) &&
            access.publishedAt > seenAt(read) &&
            access.publishedAt <= write.endedAt,
        )
        if (!between) continue
        const waited = seenAt(read) < read.endedAt
        return {
          name: 'lost update (P4)',
          sentence: `${me} wrote ${table} at step ${write.step} from what it had read at step ${read.step}, and did not see what ${them} wrote at step ${between.step}.`,
          prevention: waited
            ? `PostgreSQL looks again only at the condition beside the lock when a wait ends, not into a subquery: put the whole condition of step ${read.step} beside its lock.`
            : `Lock the row when it is read: \`lock: 'forNoKeyUpdate'\` on the find of step ${read.step}, so that ${them} waits or ${me} reads what it left.`,
          steps: [read.step, between.step, write.step].sort((a, b) => a - b),
        }
      }
    }
  }
  return undefined
}

/** I look for rows, they add one, I add mine as if there were none. */
const doubleInsert: Pattern = (mine, theirs, { me, them }) => {
  for (const insert of mine.filter((access) => access.inserts)) {
    for (const table of insert.writes) {
      const read = mine.find((access) => access.step < insert.step && access.reads.has(table) && isSameWork(access, insert))
      const between =
        read &&
        theirs.find((access) => access.inserts && access.writes.has(table) && !isDuplicate(access) && access.publishedAt > read.seenAt)
      if (!between) continue
      return {
        name: 'double insert',
        sentence: `${me} inserted into ${table} at step ${insert.step} because of what it had read at step ${read.step}, and ${them} inserted at step ${between.step}, where that read could not see it.`,
        prevention:
          read.seenAt < read.step
            ? `The snapshot of ${me} is older than its lock: run the transaction at isolation level ReadCommitted, or at Serializable with a retry.`
            : `No row is there to lock: lock the row that both belong to (its parent, \`lock: 'forNoKeyUpdate'\`) before step ${read.step}, take \`$advisoryLock\` on the key, or write it as one upsert on a unique constraint.`,
        steps: [read.step, between.step, insert.step].sort((a, b) => a - b),
      }
    }
  }
  return undefined
}

/** I read what they write, they read what I write, and neither sees the other's. */
const writeSkew: Pattern = (mine, theirs, { me, them }) => {
  for (const write of mine) {
    for (const theirWrite of theirs) {
      const missed = (read: Access, own: Access, other: Access) =>
        read.step < own.step && isSameWork(read, own) && overlaps(read.reads, other.writes) && read.seenAt < other.publishedAt
      const read = mine.find((access) => missed(access, write, theirWrite))
      const theirRead = theirs.find((access) => missed(access, theirWrite, write))
      if (!read || !theirRead) continue
      const table = [...read.reads].find((name) => theirWrite.writes.has(name))!
      return {
        name: 'write skew (G2-item)',
        sentence: `${me} decided at step ${read.step} and ${them} at step ${theirRead.step} on rows of ${table} that the other one then changed (steps ${write.step} and ${theirWrite.step}).`,
        prevention: `Lock what the decision rests on: \`lock: 'forNoKeyUpdate'\` (or 'forShare' on rows that are only read) on the find of step ${read.step}.`,
        steps: [read.step, theirRead.step, write.step, theirWrite.step].sort((a, b) => a - b),
      }
    }
  }
  return undefined
}

/** I read twice, and they change something in between. */
const readSkew: Pattern = (mine, theirs, { me, them }) => {
  for (const [index, first] of mine.entries()) {
    for (const second of mine.slice(index + 1)) {
      if (first.transaction === undefined || first.transaction !== second.transaction || first.reads.size === 0) continue
      const between = theirs.find(
        (access) => access.publishedAt > first.seenAt && access.publishedAt <= second.seenAt && overlaps(access.writes, second.reads),
      )
      if (!between) continue
      return {
        name: 'read skew (G-single)',
        sentence: `${me} read at step ${first.step} and at step ${second.step}, and what ${them} wrote at step ${between.step} became visible in between: the two reads do not fit together.`,
        prevention: `Lock the rows at the first read (\`lock: 'forShare'\` on the find of step ${first.step}), or run the transaction at isolation level RepeatableRead.`,
        steps: [first.step, between.step, second.step].sort((a, b) => a - b),
      }
    }
  }
  return undefined
}

/** A statement outside the transaction was sent again when the transaction was. */
function repeatedSideEffect(accesses: readonly Access[], actors: readonly string[]): Anomaly | undefined {
  for (const [index, again] of accesses.entries()) {
    if (again.transaction !== undefined || again.writes.size === 0 || again.result?.error !== undefined) continue
    const before = accesses.slice(0, index).filter(({ actor }) => actor === again.actor)
    const first = before.find(
      (access) => access.transaction === undefined && access.sql === again.sql && access.result?.error === undefined,
    )
    const failed = first && before.find((access) => access.step > first.step && isRetryable(access))
    if (!failed) continue
    return {
      name: 'repeated side effect',
      sentence: `${actors[again.actor]!} wrote ${[...again.writes].join(', ')} at step ${first.step} outside its transaction, which failed at step ${failed.step} and was run again: step ${again.step} did it a second time.`,
      prevention:
        'Do it through the transaction, so that the failed attempt is undone as a whole, or after the transaction has been committed.',
      steps: [first.step, failed.step, again.step],
    }
  }
  return undefined
}

/** A statement failed, the transaction was "committed" all the same, and the caller was told that all is well. */
function swallowedError(events: readonly HistoryEvent[], accesses: readonly Access[], actors: readonly string[]): Anomaly | undefined {
  const content = (actor: number) => events.some((event) => event.kind === 'settled' && event.actor === actor && event.error === undefined)
  for (const failed of accesses) {
    if (failed.transaction === undefined || failed.result?.error === undefined || !content(failed.actor)) continue
    const later = accesses.filter(({ actor, step }) => actor === failed.actor && step > failed.step)
    if (later.length !== 1 || later[0]!.transaction !== failed.transaction) continue
    return {
      name: 'swallowed error',
      sentence: `The statement of ${actors[failed.actor]!} at step ${failed.step} failed (${failed.result.sqlState ?? 'no SQLSTATE'}) and its error was swallowed: PostgreSQL answered the commit at step ${later[0]!.step} with a rollback.`,
      prevention:
        "Let the error leave the transaction; `$transactionWithRetry` runs it again, for a refused lock with `retry: { on: [..., 'LOCK_NOT_AVAILABLE'] }`.",
      steps: [failed.step, later[0]!.step],
    }
  }
  return undefined
}

/** Two statements of one form with other values in their conditions. */
const areOtherRows = ({ condition: [shape, values] }: Access, { condition: [otherShape, otherValues] }: Access): boolean =>
  shape !== '' && shape === otherShape && values !== otherValues

/** Whether the victim of a deadlock has begun anything new: its ROLLBACK is the end of the old. */
function goesOnAfter({ victim, step }: Extract<HistoryEvent, { kind: 'deadlock' }>, accesses: readonly Access[]): boolean {
  const own = accesses.filter(({ actor }) => actor === victim)
  const failed = own.findLast((access) => access.step <= step)
  return own.some((access) => access.step > step && (access.transaction === undefined || access.transaction !== failed?.transaction))
}

/** One of the attempts of a transaction that is retried has nothing to do with the next one. */
const isSameWork = (a: Access, b: Access): boolean =>
  a.transaction === b.transaction || a.transaction === undefined || b.transaction === undefined

const isDuplicate = ({ result }: Access): boolean => result?.sqlState === '23505'
const isRetryable = ({ result }: Access): boolean => result?.sqlState === '40001' || result?.sqlState === '40P01'

function nameDeadlock({ actors: cycle, victim, step }: Extract<HistoryEvent, { kind: 'deadlock' }>, actors: readonly string[]): Anomaly {
  const names = cycle.map((actor) => actors[actor]!)
  return {
    name: 'deadlock',
    sentence: `${names.join(' and ')} each waited for a lock that the other held; PostgreSQL ended ${actors[victim]!} at step ${step}, and nothing ran it again.`,
    prevention: 'Take the locks in one order (`lockInOrder`), and run the transaction with `$transactionWithRetry`.',
    steps: [step],
  }
}

function overlaps(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return [...a].some((name) => b.has(name))
}
