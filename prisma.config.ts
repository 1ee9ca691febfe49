import { defineConfig } from 'prisma/config'

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  // `prisma generate` needs no database; `prisma migrate deploy` says so itself when this is empty.
  datasource: { url: process.env['DATABASE_URL'] ?? '' },
})
