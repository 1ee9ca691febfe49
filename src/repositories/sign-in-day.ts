import { DateTime, IANAZone } from 'luxon'
import { InvalidOptionError } from '../core/errors.js'

/** When days begin, and where. */
export interface DayOptions {
  /** An IANA time zone. Default: `'UTC'`. @example 'Europe/Berlin' */
  readonly timeZone?: string
  /** The wall-clock time at which a day begins, `HH:mm`. Default: `'08:00'`. */
  readonly dayStartsAt?: string
}

/** A day of sign-ins. */
export interface SignInDay {
  /** The calendar date on which the day begins: `'2026-03-29'`. */
  readonly day: string
  readonly nextDayStartsAt: Date
}

/** Validated {@link DayOptions}. */
export interface DayRule {
  readonly zone: IANAZone
  readonly hour: number
  readonly minute: number
}

/** @throws {InvalidOptionError} for an unknown time zone or a time that is not `HH:mm`. */
export function parseDayOptions({ timeZone = 'UTC', dayStartsAt = '08:00' }: DayOptions): DayRule {
  if (typeof timeZone !== 'string' || !IANAZone.isValidZone(timeZone)) {
    throw new InvalidOptionError('timeZone', timeZone, "the name of an IANA time zone, such as 'Europe/Berlin'")
  }
  const [, hour, minute] = (typeof dayStartsAt === 'string' && /^([01]\d|2[0-3]):([0-5]\d)$/.exec(dayStartsAt)) || []
  if (hour === undefined) throw new InvalidOptionError('dayStartsAt', dayStartsAt, "a time of day as 'HH:mm', from '00:00' to '23:59'")
  return { zone: IANAZone.create(timeZone), hour: Number(hour), minute: Number(minute) }
}

/**
 * The day that `now` belongs to. A day lasts from one start to the next one by the clocks of the zone,
 * which makes it 23 or 25 hours long when they change.
 */
export function signInDayOf(now: Date, rule: DayRule): SignInDay {
  const date = DateTime.fromJSDate(now, { zone: rule.zone }).startOf('day')
  const today = now >= startOfDay(date, rule) ? date : date.minus({ days: 1 })
  return { day: today.toISODate()!, nextDayStartsAt: startOfDay(today.plus({ days: 1 }), rule) }
}

/**
 * The day of `now` with the time at which it begins, of which every moment from then to the next start is one
 * by {@link signInDayOf}; undefined when the clocks change in it, as they may then pass the same date twice.
 */
export function wholeDayOf(now: Date, rule: DayRule): (SignInDay & { readonly startsAt: Date }) | undefined {
  const { day, nextDayStartsAt } = signInDayOf(now, rule)
  const startsAt = startOfDay(DateTime.fromISO(day, { zone: rule.zone }), rule)
  const offsets = [startsAt, nextDayStartsAt].map((time) => rule.zone.offset(time.getTime()))
  return offsets[0] === offsets[1] ? { day, startsAt, nextDayStartsAt } : undefined
}

/** A time that the clocks skip is as much later as they skip; one that they pass twice counts the first time. */
function startOfDay({ year, month, day }: DateTime, { zone, hour, minute }: DayRule): Date {
  const start = DateTime.fromObject({ year, month, day, hour, minute }, { zone })
  return new Date(Math.min(...start.getPossibleOffsets().map((possible) => possible.toMillis())))
}
