// In milliseconds.
export const MINUTE = 60_000
/** Less than the clocks are wrong. */
export const HALF_AN_HOUR = 30 * MINUTE
export const HOUR = 60 * MINUTE
