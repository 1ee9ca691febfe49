import { PrismaPg } from '@prisma/adapter-pg'
import { Pool } from 'pg'
import { lockable, rowLocks } from 'rowlock'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { TcpProxy } from '../../test/support/tcp-proxy.js'
import type { Findings } from '../findings.js'
import type { KeptServer } from '../kept-server.js'

/** What the faults of a soak are inflicted on. */
export interface Stage {
  readonly server: KeptServer
  readonly url: string
  readonly network: TcpProxy
  /** A client of this process, on a small pool, which lives as long as the soak does. */
  readonly prisma: SoakClient
  readonly random: () => number
  readonly findings: Findings
}

/** A fault of the mix, each under the load that goes on meanwhile. Resolves once it is inflicted and its outcome is known. */
export type Ingredient = (stage: Stage) => Promise<void>

export const CONNECTIONS = 4
/** The wallets of the load. */
export const USERS = 12
/** What the load's processes call at once. */
export const CALLERS = 6

export function openClient(url: string) {
  const pool = new Pool({ connectionString: url, max: CONNECTIONS })
  // A connection that dies while it is idle reports to the pool, which makes a new one.
  pool.on('error', () => undefined)
  const prisma = new PrismaClient({ adapter: lockable(new PrismaPg(pool)) }).$extends(rowLocks())
  const close = async () => {
    await prisma.$disconnect()
    await pool.end()
  }
  return { prisma, [Symbol.asyncDispose]: close }
}

type SoakClient = ReturnType<typeof openClient>['prisma']
