import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

import { startDatabase } from '../../src/harness/database.js'
import { createTemplate, type TemplateDatabase } from '../../src/harness/template-database.js'

declare module 'vitest' {
  interface ProvidedContext {
    template: TemplateDatabase
  }
}

const migrations = fileURLToPath(new URL('../../prisma/migrations', import.meta.url))

/** One server and one migrated template for the whole run; every test file copies the template. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const database = await startDatabase()
  project.provide('template', await createTemplate(database.url, { migrations }))
  return () => database.stop()
}
