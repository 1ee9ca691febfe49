import type { World } from './world.js'

/** What may stand in a place of a call's arguments. */
export type Place =
  /** Rowlock's own: whatever is wrong with it, rowlock says so. */
  | { readonly kind: 'value'; readonly valid: (world: World) => unknown; readonly raw?: true }
  /** An object of which each field is such a place; fields that are not given here are left out. */
  | { readonly kind: 'fields'; readonly fields: Readonly<Record<string, Place>>; readonly foreign?: true }
  /** The caller's own code. `endless` where the call has a limit of its own that ends one which never settles. */
  | { readonly kind: 'callback'; readonly valid: (world: World) => unknown; readonly endless?: true }
  /** A client, a transaction or arguments of Prisma: what those throw is handed on. */
  | { readonly kind: 'foreign'; readonly valid: (world: World) => unknown }

export const value = (valid: unknown): Place => ({
  kind: 'value',
  valid: typeof valid === 'function' ? (valid as (world: World) => unknown) : () => valid,
})
/** SQL that the caller writes: its text reaches PostgreSQL, as that is what it is for. */
export const raw = (valid: unknown): Place => ({ kind: 'value', valid: () => valid, raw: true })
export const fields = (given: Readonly<Record<string, Place>>): Place => ({ kind: 'fields', fields: given })
/** Of Prisma's own arguments. */
export const foreignFields = (given: Readonly<Record<string, Place>>): Place => ({ kind: 'fields', fields: given, foreign: true })
export const callback = (valid: (...args: never[]) => unknown): Place => ({ kind: 'callback', valid: () => valid })
export const boundedCallback = (valid: (...args: never[]) => unknown): Place => ({ kind: 'callback', valid: () => valid, endless: true })
export const foreign = (valid: (world: World) => unknown): Place => ({ kind: 'foreign', valid })

/** As many as any target takes, of types that only the target knows. */
export type Arguments = readonly [never, never, never, never, never, never]

/** A public function, and how it is called as it should be. */
export interface Target {
  readonly places: readonly Place[]
  /** `args` are in the order of `places`. */
  call(args: Arguments, world: World): unknown
  /** Fewer calls, as one takes long: a share of the size. Default: 1. */
  readonly share?: number
  /** Looks at all of what it is given, however large that is: it is not given four billion holes. */
  readonly unbounded?: boolean
  /** One at a time. Default: many at once. */
  readonly alone?: true
  /** Classes of errors by `name` that the function is documented to throw beside rowlock's own. */
  readonly throws?: readonly string[]
}
