/** What the hostile values of one call have thrown by themselves: that error is the caller's own. */
export interface Thrown {
  /** By callbacks, which a caller's function hands on as they are. */
  readonly byCallbacks: unknown[]
  /** By getters and traps of proxies, while somebody looked at a value. */
  readonly byLooking: unknown[]
}

export const newThrown = (): Thrown => ({ byCallbacks: [], byLooking: [] })

/** Text that no schema and no statement has: where it is seen, it has come from a caller. */
export const MARKER = 'zqxMarker'
