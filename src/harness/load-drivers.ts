import { DatabaseUnavailableError } from './database-error.js'

// The drivers are optional peers: who only takes locks with another adapter need not install them.

/** @throws {DatabaseUnavailableError} when `@prisma/adapter-pg` is not installed; `purpose` begins its message. */
export async function loadAdapter(purpose: string): Promise<typeof import('@prisma/adapter-pg')> {
  return import('@prisma/adapter-pg').catch((cause: unknown) => {
    throw notInstalled(purpose, '@prisma/adapter-pg', cause)
  })
}

/** @throws {DatabaseUnavailableError} when `pg` is not installed; `purpose` begins its message. */
export async function loadPg(purpose: string): Promise<typeof import('pg')> {
  return import('pg').catch((cause: unknown) => {
    throw notInstalled(purpose, 'pg', cause)
  })
}

function notInstalled(purpose: string, name: string, cause: unknown): DatabaseUnavailableError {
  return new DatabaseUnavailableError(`${purpose}: ${name} is not installed. Run: npm install ${name}`, { cause })
}
