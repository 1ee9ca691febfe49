import { propertyOf } from '../core/option-checks.js'
import type { SqlQuery, SqlResultSet } from './driver-adapter.js'
import type { SideConnection } from './side-connection.js'

/** The way past Prisma's query engine: the driver adapter that a client is connected through. */
export interface DirectRoute {
  /** Sends one statement outside any transaction, prepared where the driver can. */
  send(query: SqlQuery): Promise<SqlResultSet>
  /** The connection beside the pool, where the adapter tells how to make one. */
  readonly side?: SideConnection | undefined
}

// A symbol of the registry: the client's factory may come from another copy of this package.
const ROUTE = Symbol.for('rowlock.directRoute')

interface Routed {
  [ROUTE]?: DirectRoute | undefined
}

interface ClientInternals {
  readonly _engineConfig?: { readonly adapter?: Routed }
  $connect(): Promise<void>
}

/** Told by a driver adapter factory when it connects, and when that connection is disposed of. */
export function setDirectRoute(factory: object, route: DirectRoute | undefined): void {
  ;(factory as Routed)[ROUTE] = route
}

/** Whether a driver adapter factory is wrapped in `lockable()`, be it of another copy of this package. */
export function isLockable(factory: object): boolean {
  return ROUTE in factory
}

/** The route of a client, which connects if it has not yet; undefined when its adapter is not `lockable`. */
export async function findDirectRoute(client: unknown): Promise<DirectRoute | undefined> {
  const factory = propertyOf(propertyOf(client, '_engineConfig'), 'adapter') as Routed | undefined
  if (typeof factory !== 'object' || !(ROUTE in factory)) return undefined
  if (!factory[ROUTE]) await (client as ClientInternals).$connect()
  return factory[ROUTE]
}
