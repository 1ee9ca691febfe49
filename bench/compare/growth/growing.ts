import type { Contestant } from '../contestant.js'
import { pgOneStatement } from '../contestants/pg.js'
import { rowlockCoalesced, rowlockWithdraw } from '../contestants/rowlock.js'

/** In the order of the tables; the last one is the reference. */
export const growing: readonly Contestant[] = [rowlockWithdraw, rowlockCoalesced, pgOneStatement]
