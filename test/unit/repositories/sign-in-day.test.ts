import fc from 'fast-check'
import { DateTime } from 'luxon'
import { expect, test } from 'vitest'
import { parseDayOptions, signInDayOf, wholeDayOf } from '../../../src/repositories/sign-in-day.js'

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'America/Havana',
  'Pacific/Kiritimati',
]
const time = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
const moment = fc.date({ min: new Date('2000-01-01'), max: new Date('2040-01-01'), noInvalidDate: true })

test('days follow each other without gap or overlap, in any zone, whenever they begin', () => {
  fc.assert(
    fc.property(moment, fc.constantFrom(...zones), time, (now, timeZone, [hour, minute]) => {
      const rule = parseDayOptions({ timeZone, dayStartsAt: DateTime.fromObject({ hour, minute }).toFormat('HH:mm') })
      const { day, nextDayStartsAt } = signInDayOf(now, rule)
      expect(nextDayStartsAt > now).toBe(true)
      expect(signInDayOf(new Date(nextDayStartsAt.getTime() - 1), rule)).toEqual({ day, nextDayStartsAt })
      expect(signInDayOf(nextDayStartsAt, rule).day > day).toBe(true)
      // 23 to 25 hours, and 24 more where a zone left a date out.
      expect(nextDayStartsAt.getTime() - now.getTime()).toBeLessThanOrEqual(49 * 3_600_000)
    }),
    { numRuns: 2_000 },
  )
})

test('a date that a zone left out has no day', () => {
  // Samoa went from 29 to 31 December 2011.
  const rule = parseDayOptions({ timeZone: 'Pacific/Apia' })
  expect(signInDayOf(new Date('2011-12-30T09:59:59Z'), rule).day).toBe('2011-12-29')
  expect(signInDayOf(new Date('2011-12-30T18:00:00Z'), rule).day).toBe('2011-12-31')
})

test('every moment of a whole day is of that day, also where a zone passes midnight twice', () => {
  const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  // St. John's put its clocks back at 00:01, so that a date ended twice.
  const anyZone = fc.constantFrom(...zones, 'America/St_Johns')
  fc.assert(
    fc.property(moment, anyZone, time, share, (now, timeZone, [hour, minute], part) => {
      const rule = parseDayOptions({ timeZone, dayStartsAt: DateTime.fromObject({ hour, minute }).toFormat('HH:mm') })
      const whole = wholeDayOf(now, rule)
      if (!whole) return
      const { startsAt, ...day } = whole
      const [first, end] = [startsAt.getTime(), day.nextDayStartsAt.getTime()]
      expect(first <= now.getTime() && now.getTime() < end).toBe(true)
      for (const time of [first, end - 1, first + Math.floor(part * (end - first))]) expect(signInDayOf(new Date(time), rule)).toEqual(day)
      expect(signInDayOf(new Date(first - 1), rule).day < day.day).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('a day in which the clocks change is no whole day', () => {
  const rule = parseDayOptions({ timeZone: 'Europe/Berlin' })
  expect(wholeDayOf(new Date('2026-03-28T12:00:00Z'), rule)).toBeUndefined()
  expect(wholeDayOf(new Date('2026-03-29T12:00:00Z'), rule)).toMatchObject({ day: '2026-03-29' })
})
