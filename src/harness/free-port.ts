import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

// PostgreSQL's own port, where a developer's real database answers.
const DEFAULT_PORT = 5432

/**
 * A TCP port on 127.0.0.1 that was free a moment ago. Somebody may take it before the caller does:
 * the caller must be ready to ask again.
 */
export async function findFreePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port === DEFAULT_PORT ? findFreePort() : port
}
