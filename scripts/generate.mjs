// Runs `prisma generate` for the package's own schema and the tests'. It needs no engine, but the command
// looks for the native schema engine and downloads it from Prisma's own server when it is missing.
// Naming any executable spares it that download, so that a clone builds where only the npm registry can
// be reached.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const prisma = fileURLToPath(new URL('../node_modules/prisma/build/index.js', import.meta.url))
const env = { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', ...process.env }

for (const schema of ['prisma/schema.prisma', 'test/support/zoo/schema.prisma']) {
  const { status, stderr } = spawnSync(process.execPath, [prisma, 'generate', '--schema', schema], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (status !== 0) {
    process.stderr.write(stderr)
    process.exit(status ?? 1)
  }
}
