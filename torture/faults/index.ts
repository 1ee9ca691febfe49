import type { Fault } from '../fault.js'
import { serverKilled } from './f01-server-killed.js'
import { backendTerminated } from './f02-backend-terminated.js'
import { connectionCut } from './f03-connection-cut.js'
import { holderKilled } from './f04-holder-killed.js'
import { holderStopped } from './f05-holder-stopped.js'
import { clocks } from './f06-clocks.js'
import { deadlocks } from './f07-deadlocks.js'
import { callers } from './f08-callers.js'
import { pgbouncer } from './f09-pgbouncer.js'
import { failOver } from './f10-fail-over.js'
import { serverRefuses } from './f11-server-refuses.js'
import { idleInTransaction } from './f12-idle-in-transaction.js'
import { hostileInput } from './f13-hostile-input.js'
import { soak } from './f14-soak.js'

/** Every fault, in the order of the table. */
export const FAULTS: readonly Fault[] = [
  serverKilled, // F1
  backendTerminated, // F2
  connectionCut, // F3
  holderKilled, // F4
  holderStopped, // F5
  clocks, // F6
  deadlocks, // F7
  callers, // F8
  pgbouncer, // F9
  failOver, // F10
  serverRefuses, // F11
  idleInTransaction, // F12
  hostileInput, // F13
  soak, // F14
]
