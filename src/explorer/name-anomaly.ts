import type { HistoryEvent, StepEvent } from './history.js'
import type { Anomaly } from './report-types.js'

/** The tables a statement reads without a lock, and those it writes; the explorer itself knows no SQL. */
export type TablesOf = (sql: string) => {
  readonly reads: ReadonlySet<string>
  readonly writes: ReadonlySet<string>
  readonly inserts: boolean
}

interface Access extends StepEvent {
  readonly reads: ReadonlySet<string>
  readonly writes: ReadonlySet<string>
  readonly inserts: boolean
}

/**
 * Names the anomaly of a broken run by its pattern of reads and writes.
 *
 * @see Berenson et al.: A Critique of ANSI SQL Isolation Levels (1995); Adya: Weak Consistency (1999)
 */
export function nameAnomaly(events: readonly HistoryEvent[], actors: readonly string[], tablesOf: TablesOf): Anomaly {
  const accesses = events
    .filter((event): event is StepEvent => event.kind === 'step')
    .map((event): Access => ({ ...event, ...tablesOf(event.sql) }))
  const deadlock = events.find((event) => event.kind === 'deadlock')
  const failedAtLast = deadlock && !accesses.some(({ actor, step }) => actor === deadlock.victim && step > deadlock.step)
  if (failedAtLast) return nameDeadlock(deadlock, actors)
  return (
    firstOf(accesses, actors, lostUpdate) ??
    firstOf(accesses, actors, doubleInsert) ??
    firstOf(accesses, actors, writeSkew) ??
    firstOf(accesses, actors, readSkew) ?? {
      name: 'unserializable order',
      sentence: 'No single read or write stands out: the order of the statements as a whole gives this result.',
      prevention: 'Lock the first row that all the operations use, or run them at isolation level Serializable with a retry.',
      steps: [],
    }
  )
}

type Pattern = (mine: readonly Access[], theirs: readonly Access[], names: { me: string; them: string }) => Anomaly | undefined

function firstOf(accesses: readonly Access[], actors: readonly string[], pattern: Pattern): Anomaly | undefined {
  for (const [me, meName] of actors.entries()) {
    for (const [them, themName] of actors.entries()) {
      if (me === them) continue
      const by = (actor: number) => accesses.filter((access) => access.actor === actor && access.result?.error === undefined)
      const found = pattern(by(me), by(them), { me: meName, them: themName })
      if (found) return found
    }
  }
  return undefined
}

/** I read, they write, I write on top of it. */
const lostUpdate: Pattern = (mine, theirs, { me, them }) => {
  for (const write of mine) {
    if (write.inserts) continue
    for (const table of write.writes) {
      const read = mine.find((access) => access.step < write.step && access.reads.has(table))
      const between = read && theirs.find((access) => access.step > read.step && access.step < write.step && access.writes.has(table) && !access.inserts)
      if (!between) continue
      return {
        name: 'lost update (P4)',
        sentence: `${me} wrote ${table} at step ${write.step} from what it had read at step ${read.step}, and did not see what ${them} wrote at step ${between.step}.`,
        prevention: `Lock the row when it is read: \`lock: 'forNoKeyUpdate'\` on the find of step ${read.step}, so that ${them} waits or ${me} reads what it left.`,
        steps: [read.step, between.step, write.step],
      }
    }
  }
  return undefined
}

/** I look for rows, they add one, I add mine as if there were none. */
const doubleInsert: Pattern = (mine, theirs, { me, them }) => {
  for (const insert of mine.filter((access) => access.inserts)) {
    for (const table of insert.writes) {
      const read = mine.find((access) => access.step < insert.step && access.reads.has(table))
      const between = read && theirs.find((access) => access.step > read.step && access.inserts && access.writes.has(table))
      if (!between) continue
      return {
        name: 'double insert',
        sentence: `${me} inserted into ${table} at step ${insert.step} because of what it had read at step ${read.step}, and ${them} inserted at step ${between.step}, where that read could not see it.`,
        prevention: `No row is there to lock: lock the row that both belong to (its parent, \`lock: 'forNoKeyUpdate'\`) before step ${read.step}, take \`$advisoryLock\` on the key, or add a unique constraint.`,
        steps: [read.step, between.step, insert.step],
      }
    }
  }
  return undefined
}

/** I read what they write, they read what I write, and neither sees the other's. */
const writeSkew: Pattern = (mine, theirs, { me, them }) => {
  for (const write of mine) {
    for (const theirWrite of theirs) {
      const read = mine.find((access) => access.step < write.step && overlaps(access.reads, theirWrite.writes) && access.step < theirWrite.step)
      const theirRead = theirs.find((access) => access.step < theirWrite.step && overlaps(access.reads, write.writes) && access.step < write.step)
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
      if (first.transaction === undefined || first.transaction !== second.transaction) continue
      const between = theirs.find((access) => access.step > first.step && access.step < second.step && overlaps(access.writes, second.reads))
      if (!between || first.reads.size === 0) continue
      return {
        name: 'read skew (G-single)',
        sentence: `${me} read at step ${first.step} and at step ${second.step}, and ${them} wrote in between at step ${between.step}: the two reads do not fit together.`,
        prevention: `Lock the rows at the first read (\`lock: 'forShare'\` on the find of step ${first.step}), or run the transaction at isolation level RepeatableRead.`,
        steps: [first.step, between.step, second.step],
      }
    }
  }
  return undefined
}

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
