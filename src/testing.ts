export { DatabaseUnavailableError, MigrationError } from './harness/database-error.js'
export { startDatabase, type Database, type DatabaseSource, type StartDatabaseOptions } from './harness/database.js'
export {
  cloneDatabase,
  createTemplate,
  type ClonedDatabase,
  type CreateTemplateOptions,
  type TemplateDatabase,
} from './harness/template-database.js'
export { applyMigrations } from './harness/migrations.js'
