/** What {@link LOCK_TREE} reads, as it comes. */
export interface Observed {
  /** In milliseconds since 1970. */
  readonly readAt: number
  readonly sessions: readonly ObservedSession[]
}

export interface ObservedSession {
  /** 0 for a prepared transaction, which has no session. */
  readonly pid: number
  readonly applicationName: string | null
  readonly user: string | null
  /** Null when it is not for this user to know. */
  readonly state: string | null
  readonly query: string | null
  /** In milliseconds; null outside a transaction, and when it is not for this user to know. */
  readonly transactionAge: number | null
  /** Null for a session that waits for nobody. */
  readonly blockers: readonly number[] | null
  readonly wait: ObservedWait | null
}

export interface ObservedWait {
  /** PostgreSQL's `locktype`. */
  readonly type: string
  /** In milliseconds. */
  readonly duration: number
  readonly classid: number | null
  readonly objid: number | null
  /** Of an advisory lock: 1 for the key of one `bigint`, 2 for that of two `int`s. */
  readonly objsubid: number | null
  /** Of the table, which is not there for a lock on anything else and for a table that another transaction is just making. */
  readonly relation: number | null
  readonly schema: string | null
  readonly table: string | null
  /** The row's place in the table, and the mode of its tuple lock. */
  readonly page: number | null
  readonly tuple: number | null
  readonly mode: string | null
  /** Whether this user may read the table. */
  readonly readable: boolean | null
  /** The columns of the table's primary key. */
  readonly key: readonly KeyColumn[] | null
}

export interface KeyColumn {
  readonly column: string
  /** As PostgreSQL writes it. */
  readonly type: string
}
