import { serve } from '@hono/node-server'
import { PrismaPg } from '@prisma/adapter-pg'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { lockable, rowLocks } from 'rowlock'
import { PrismaClient } from '../../src/generated/prisma/client.js'
import type { Prisma } from '../client.js'
import { createApp } from './app.js'
import { guide } from './guide.js'
import { createOperations, type Operations } from './operations.js'

/** How to run the service. */
export interface ServiceOptions {
  readonly prisma: Prisma
  /** Default: the repositories of rowlock, with `prisma`. */
  readonly operations?: Operations
  /** Default: any that is free. */
  readonly port?: number
  /** How long requests under way may take once the service is stopped, in milliseconds. Default: 10,000. */
  readonly grace?: number
  /** Default: `console.error`. */
  readonly onFailure?: (requestId: string, error: unknown) => void
}

/** A running service. */
export interface Service {
  readonly url: string
  /** Takes no further connections, finishes the requests that are under way, and closes the pool. */
  stop(): Promise<void>
}

/** A client for a service: nobody waits for a connection longer than a request is worth. */
export function createServicePrisma(connectionString: string): Prisma {
  const adapter = lockable(new PrismaPg({ connectionString, max: 10, connectionTimeoutMillis: 2_000 }))
  return new PrismaClient({ adapter }).$extends(rowLocks())
}

export async function startService(options: ServiceOptions): Promise<Service> {
  const { prisma, operations = createOperations(prisma), port = 0, grace = 10_000, onFailure = console.error } = options
  let stopping = false
  const app = createApp({
    operations,
    findBalance: async (userId) => (await prisma.wallet.findUnique({ where: { userId } }))?.balance.toFixed(2),
    ping: () => prisma.$queryRaw`SELECT 1`,
    isStopping: () => stopping,
    onFailure,
    guide,
  })
  // Of the machine's own; put a proxy that speaks TLS in front of it.
  const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1', serverOptions: { requestTimeout: 10_000 } }) as Server
  await once(server, 'listening')

  const stop = async () => {
    stopping = true
    await close(server, grace)
    await prisma.$disconnect()
  }
  let stopped: Promise<void> | undefined
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop: () => (stopped ??= stop()) }
}

/** Idle connections are closed at once, the others after their request, and after the grace period all of them. */
async function close(server: Server, grace: number): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), grace)
  await new Promise((resolve) => server.close(resolve))
  clearTimeout(timer)
}
