import { credit } from 'rowlock/repositories'
import { type Kind, type KindName, KINDS, type ToolOptions, type Work } from './kinds.js'

/** What the process of many-holder.ts can be told, as JSON of {@link HoldRequest}. */
export interface ManyHolderCommands {
  /** Resolves with the token, if there is one, when it is held and its effect is done. */
  hold(request: string): Promise<unknown>
  /** Whether it has learned that it lost what it held; for the same request. */
  hasLost(request: string): Promise<boolean>
}

export interface HoldRequest {
  readonly kind: KindName
  readonly userId: number
}

/** Whether effects have an idempotency key, and whether there are locks. */
export interface HolderMode {
  readonly keyed: boolean
  readonly locked: boolean
}

export interface ManyHolderInput extends ToolOptions {
  readonly mode: HolderMode
}

/** The amount that a holder credits before it takes the lock. */
export const BEFORE = 1
/** The amount that is credited under the lock. */
export const DURING = 2

/** What is done under a lock: the same for the first holder and the next. */
export function effectOf(userId: number, { keyed }: HolderMode): Work['effect'] {
  return (db) => credit(db, { userId, amount: DURING, ...(keyed && { idempotencyKey: `during ${userId}` }) }, { coupons: [] })
}

export function holdOf(kind: KindName, { locked }: HolderMode): Kind['hold'] {
  return locked ? KINDS[kind].hold : holdNothing
}

/** As if the lock were not there. */
const holdNothing: Kind['hold'] = async ({ prisma }, _userId, { effect, pause }) => {
  await effect(prisma)
  await pause()
}
