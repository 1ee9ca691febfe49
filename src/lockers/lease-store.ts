/** How a lease is asked for. */
export interface LeaseRequest {
  readonly key: string
  readonly shared: boolean
  /** Whether the caller waits: an exclusive one then lets nobody else join those who share the lease. */
  readonly waits: boolean
}

/** The answer: a token when it was granted, else how long the present holder's lease has left, where that is known. */
export interface LeaseAnswer {
  readonly token: bigint | null
  readonly remaining: number | null
}

/** Where leases are kept, by a clock of its own. */
export interface LeaseStore {
  take(request: LeaseRequest, owner: string): Promise<LeaseAnswer>
  /** Whether the owner still holds the lease, and now holds it for longer. */
  renew(key: string, owner: string): Promise<boolean>
  /** Whether the owner still held the lease, and now does not. */
  release(key: string, owner: string): Promise<boolean>
}
