import fc from 'fast-check'
import { isInstance } from '../../src/core/option-checks.js'
import type { Place, Target } from './target.js'
import { newThrown, type Thrown } from './thrown.js'
import { endlessCallback, hostileCallback, hostileKey, hostileValue, type HostileValue, isTooLong } from './values.js'
import type { World } from './world.js'

// Functions that throw when they are called.
const CALLED_IN_VAIN = ['a revoked proxy of a function', 'a class']

type Fields = Extract<Place, { kind: 'fields' }>

/** How one call differs from a right one. */
export interface Twist {
  /** Which of the places, counted through; what of it. */
  readonly at: number
  readonly how: number
  readonly value: HostileValue
  readonly callback: HostileValue
  readonly key: string
}

export const twist: fc.Arbitrary<Twist> = fc.record({
  at: fc.nat(),
  how: fc.nat(99),
  value: hostileValue,
  callback: hostileCallback,
  key: hostileKey,
})

/** The arguments of one call. */
export interface HostileCall {
  readonly args: readonly unknown[]
  readonly what: string
  readonly thrown: Thrown
  /** Those among the arguments: a getter may not show one again. */
  readonly signals: readonly AbortSignal[]
  /** Whether hostile values stand where Prisma, or the caller's own client, gets them. */
  readonly foreign: boolean
}

/** Arguments as they should be, with each twist in one of the places. */
export function makeCall({ places, unbounded = false }: Target, world: World, twists: readonly Twist[]): HostileCall {
  const thrown = newThrown()
  const slots = places.flatMap((place, index) => slotsOf(place, [String(index)]))
  const chosen = new Map(twists.map((one) => [slots[one.at % Math.max(1, slots.length)], one] as const))
  const notes: string[] = []
  const signals: AbortSignal[] = []
  let isForeign = false

  // Prisma copies all that is in its arguments, before it asks rowlock.
  const build = (place: Place, path: readonly string[], copied: boolean): unknown => {
    const one = [...chosen].find(([slot]) => slot === path.join('.'))?.[1]
    if (place.kind === 'fields') {
      const inside = copied || place.foreign === true
      return one ? twistObject(place, one, path, inside) : buildFields(place, path, inside)
    }
    if (!one) return place.valid(world)
    return place.kind === 'value' && place.raw ? noText(one) : hostile(place, one, path, copied || place.kind === 'foreign')
  }
  const make = (given: HostileValue, copied: boolean): unknown => {
    if (copied) isForeign = true
    if ((copied || unbounded) && isTooLong(given)) return []
    const made = given.make(thrown)
    if (isInstance(made, AbortSignal)) signals.push(made)
    return made
  }
  const hostile = (place: Place, { value, callback, how }: Twist, path: readonly string[], copied: boolean): unknown => {
    // What cannot be called at all throws by itself, as the caller's own.
    const isCallback = place.kind === 'callback' && (how < 60 || CALLED_IN_VAIN.includes(value.what))
    const given = isCallback ? (place.endless && how < 10 ? endlessCallback : callback) : value
    notes.push(`${path.join('.')}: ${given.what}`)
    return make(given, copied)
  }
  const noText = ({ value }: Twist): unknown => {
    const given = value.make(thrown)
    return typeof given === 'string' ? 1 : given
  }
  const buildFields = (place: Fields, path: readonly string[], copied: boolean): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(place.fields)
        .map(([name, field]) => [name, build(field, [...path, name], copied)] as const)
        .filter(([name, built]) => built !== undefined || chosen.has([...path, name].join('.'))),
    )
  const twistObject = (place: Fields, one: Twist, path: readonly string[], copied: boolean): unknown => {
    if (copied) isForeign = true
    if (one.how < 40) return hostile(place, one, path, copied)
    const built = buildFields(place, path, copied)
    if (one.how < 70) {
      notes.push(`${path.join('.')}: the key ${JSON.stringify(one.key.slice(0, 40))}`)
      return Object.defineProperty(built, one.key, { value: make(one.value, copied), enumerable: true, configurable: true })
    }
    const names = Object.keys(built)
    const name = names[one.at % Math.max(1, names.length)] ?? 'x'
    notes.push(`${path.join('.')}: a getter of ${name} that throws from its ${one.how < 85 ? 'first' : 'second'} time on`)
    let asked = one.how < 85 ? 1 : 0
    const right = built[name]
    return Object.defineProperty(built, name, {
      enumerable: true,
      get() {
        if (asked++ === 0) return right
        const error = new Error('a getter of the caller')
        thrown.byLooking.push(error)
        throw error
      },
    })
  }

  const args = places.map((place, index) => build(place, [String(index)], false))
  return { args, what: notes.join('; ') || 'as it should be', thrown, signals, foreign: isForeign }
}

function slotsOf(place: Place, path: readonly string[]): string[] {
  const own = path.join('.')
  if (place.kind !== 'fields') return [own]
  return [own, ...Object.entries(place.fields).flatMap(([name, field]) => slotsOf(field, [...path, name]))]
}
