import fc from 'fast-check'
import { runInNewContext } from 'node:vm'
import { MARKER, type Thrown } from './thrown.js'

/** Makes a value for one call, which notes in `thrown` what it throws. */
export interface HostileValue {
  /** In words, for who has to find out what happened. */
  readonly what: string
  make(thrown: Thrown): unknown
}

const value = (what: string, make: (thrown: Thrown) => unknown): HostileValue => ({ what, make })

function look(thrown: Thrown): never {
  const error = new Error('a getter or a proxy of the caller')
  thrown.byLooking.push(error)
  throw error
}

const PRIMITIVES: readonly unknown[] = [
  ...[undefined, null, true, false, NaN, -0, 0, 1, -1, 0.1, Infinity, -Infinity, 1e308, 2 ** 31, 2 ** 53, Number.MIN_VALUE],
  ...[0n, -1n, 2n ** 63n, 2n ** 64n, 10n ** 400n],
  ...[Symbol('hostile'), Symbol.iterator, Symbol.for('rowlock.error'), Symbol.asyncDispose],
]

const TEXTS = [
  ...['', ' ', '\0', 'a\0b', '\ud800', '\udfff\ud800', '\u202e', '\u001b[31m', '%s%d', '${x}', '$1', '0', '-0', '1e3', '07', '{}', '[]'],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'then', '$transaction', 'AND', 'OR', 'NOT'],
  ...[MARKER, `'; DROP TABLE "Wallet"; -- ${MARKER}`, `" ${MARKER} "`, `"; SELECT '${MARKER}'`, `${MARKER}*/ /* ${MARKER}`],
  ...[`$$${MARKER}$$`, `E'\\'${MARKER}`, `\\'; ${MARKER}`, `"Wallet"."id" = 1) OR (${MARKER}`, MARKER.padEnd(300, 'x')],
  ...['x'.repeat(100_000), MARKER.repeat(5_000)],
]

const throwing = (trap: keyof ProxyHandler<object>, target: object = {}) =>
  value(`a proxy whose ${trap} throws`, (thrown) => new Proxy(target, { [trap]: () => look(thrown) }))

const CYCLE = value('an object that holds itself', () => {
  const cycle: Record<string, unknown> = { id: 1 }
  cycle['self'] = cycle
  cycle['list'] = [cycle]
  return cycle
})

const HOLES = value('an array of four billion holes', () => new Array(2 ** 32 - 1))

const OBJECTS: readonly HostileValue[] = [
  ...(['get', 'ownKeys', 'has', 'getPrototypeOf', 'getOwnPropertyDescriptor'] as const).map((trap) => throwing(trap)),
  ...(['get', 'ownKeys'] as const).map((trap) => throwing(trap, [])),
  value('a proxy that is everything', (thrown) => {
    const everything: object = new Proxy(() => undefined, {
      get(_, name) {
        if (name === 'then') return undefined
        // No number, no text and no list: that would be the caller's own to say.
        return name === Symbol.toPrimitive || name === Symbol.iterator ? () => look(thrown) : everything
      },
      apply: () => everything,
    })
    return everything
  }),
  value('a revoked proxy', () => revoked({})),
  value('a revoked proxy of an array', () => revoked([])),
  value('a revoked proxy of a function', () => revoked(() => undefined)),
  value('an object with a throwing getter', (thrown) => ({
    get id() {
      return look(thrown)
    },
  })),
  value('an object that cannot be a text', (thrown) => ({
    toString: () => look(thrown),
    valueOf: () => look(thrown),
    toJSON: () => look(thrown),
  })),
  value('an object that throws as a primitive', (thrown) => ({ [Symbol.toPrimitive]: () => look(thrown) })),
  value(
    'own prototype keys',
    () => JSON.parse('{"__proto__": {"id": 1}, "constructor": {"prototype": {"x": 1}}, "toString": 1}') as unknown,
  ),
  value('an object without a prototype', () => Object.create(null) as unknown),
  CYCLE,
  value('an array with holes', () => Array.from({ length: 3 }).concat(new Array<unknown>(3))),
  HOLES,
  value('an array that holds itself', () => {
    const list: unknown[] = []
    list.push(list)
    return list
  }),
  value('an array that throws when it is iterated', (thrown) => Object.assign([1], { [Symbol.iterator]: () => look(thrown) })),
  value('an object of another realm', () => runInNewContext('({ id: 1, userId: 1 })') as unknown),
  value('an array of another realm', () => runInNewContext('[1, "a"]') as unknown),
  value('a date of another realm', () => runInNewContext('new Date(0)') as unknown),
  value('a date that is none', () => new Date(NaN)),
  value('an object that only inherits from Date', () => Object.create(Date.prototype) as unknown),
  value('a Decimal that throws', (thrown) => ({ toFixed: () => look(thrown), d: [1], e: 0, s: 1, toStringTag: '[object Decimal]' })),
  value('a Decimal that is infinite', () => ({ toFixed: () => `1'${MARKER}`, d: [1], e: 9e15, s: 1, constructor: { name: 'Decimal' } })),
  value('a signal that has been aborted', () => AbortSignal.abort()),
  value('a signal aborted with undefined inside', () => AbortSignal.abort(null)),
  value('what only inherits from AbortSignal', () => Object.create(AbortSignal.prototype) as unknown),
  value('a proxy of a signal', () => new Proxy(new AbortController().signal, {})),
  value('what looks like a signal', (thrown) => ({
    aborted: false,
    addEventListener: () => look(thrown),
    removeEventListener: () => look(thrown),
  })),
  value('a boxed number', () => Object(1) as unknown),
  value('a boxed text', () => Object('forUpdate') as unknown),
  value('bytes', () => new Uint8Array([0, 255])),
  value('a map', () => new Map([['id', 1]])),
  value('a promise', () => Promise.resolve(1)),
  value('a thenable that never settles', () => ({ then: () => undefined })),
  value('an error of rowlock that is none', () => ({ [Symbol.for('rowlock.error')]: true, code: 'DEADLOCK' })),
  value('a function', () => () => undefined),
  value('a class', () => Map),
]

/** Who goes through all of them, as Prisma does, takes minutes, or all memory. */
export const isTooLong = (one: HostileValue): boolean => one === HOLES

const describeText = (text: string) => `text ${JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}… (${text.length})` : text)}`

/** Every kind of value that somebody might pass for another. */
export const hostileValue: fc.Arbitrary<HostileValue> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .constantFrom(...PRIMITIVES)
      .map((one) => value(typeof one === 'symbol' ? 'a symbol' : `${typeof one} ${String(one).slice(0, 30)}`, () => one)),
  },
  { weight: 3, arbitrary: fc.constantFrom(...TEXTS).map((text) => value(describeText(text), () => text)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }).map((text) => value(describeText(text), () => `${MARKER}${text}`)) },
  { weight: 6, arbitrary: fc.constantFrom(...OBJECTS) },
  {
    weight: 1,
    arbitrary: fc
      // Sparse arrays are above: those of fast-check may have two billion holes, each of which Prisma copies.
      .anything({ withBigInt: true, withDate: true, withNullPrototype: true, withTypedArray: true, maxDepth: 2 })
      .map((one) => value('anything', () => one)),
  },
)

/** What a key or name may be, beside those that are known. */
export const hostileKey: fc.Arbitrary<string> = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: 'binary', maxLength: 10 }))

/** Callbacks that do anything but what they are for. */
export const hostileCallback: fc.Arbitrary<HostileValue> = fc.constantFrom(
  ...[undefined, null, 0, 'thrown', Symbol('thrown'), new Error('thrown by a callback'), Object.create(null) as unknown].flatMap(
    (thrown) => [
      value('a callback that throws', (notes) => () => {
        notes.byCallbacks.push(thrown)
        throw thrown
      }),
      value('a callback that rejects', (notes) => async () => {
        notes.byCallbacks.push(thrown)
        throw thrown
      }),
    ],
  ),
  value('a callback that returns a thenable that settles twice', () => () => ({
    then(resolve: (value: unknown) => void, reject: (reason: unknown) => void) {
      resolve(1)
      resolve(2)
      reject(new Error('settled a third time'))
    },
  })),
  value('a callback that returns a thenable that throws when it has settled', () => () => ({
    then(resolve: (value: unknown) => void) {
      resolve(1)
      throw new Error('after it has settled')
    },
  })),
  value('a callback that throws what throws when it is looked at', (notes) => () => {
    const thrown = new Proxy({}, { get: () => look(notes), has: () => look(notes), getPrototypeOf: () => look(notes) })
    notes.byCallbacks.push(thrown)
    throw thrown
  }),
  value('a callback that throws a revoked proxy', (notes) => () => {
    const thrown = revoked({})
    notes.byCallbacks.push(thrown)
    throw thrown
  }),
  value('a callback that returns a symbol', () => async () => Symbol('returned')),
  value('a callback that returns itself in a cycle', () => async () => CYCLE.make({ byCallbacks: [], byLooking: [] })),
)

/** Of no use where nothing of rowlock's can end the wait for it. */
export const endlessCallback: HostileValue = value('a callback that never settles', () => () => new Promise(() => undefined))

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}
