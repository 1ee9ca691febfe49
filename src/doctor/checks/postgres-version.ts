import { defineCheck } from '../check.js'

/** The oldest major version that the PostgreSQL project still mends in 2026. */
const OLDEST = 14

export const postgresVersionCheck = defineCheck({
  name: 'postgres-version',
  docs: 'README.md#limits',
  needs: ['database'],
  run: ({ database: { version } }) => {
    const major = Math.floor(version / 10_000)
    const name = `${major}.${version % 10_000}`
    if (major >= OLDEST) return [{ level: 'ok', what: `PostgreSQL is ${name}.` }]
    return [
      {
        level: 'warning',
        what: `PostgreSQL is ${name}, which gets no corrections any more.`,
        todo: `Move to PostgreSQL ${OLDEST} or newer.`,
      },
    ]
  },
})
