import type { Fault } from '../fault.js'
import { serverKilled } from './f01-server-killed.js'
import { pgbouncer } from './f09-pgbouncer.js'
import { failOver } from './f10-fail-over.js'
import { soak } from './f14-soak.js'

/** Every fault, in the order of the table. */
export const FAULTS: readonly Fault[] = [
  serverKilled, // F1
  pgbouncer, // F9
  failOver, // F10
  soak, // F14
]
