// Compiles src/ into dist/, or into the folder given: without what an earlier build left there, and with
// the executable bit on the commands, which neither tsc nor npm sets. Declarations that no entry leads to, such as
// those of the commands, are left out: the package would be 1.6 times as large.
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = resolve(root, process.argv[2] ?? 'dist')

rmSync(out, { recursive: true, force: true })
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', out], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

const { bin, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** Where a path of package.json is in this build. */
const built = (path) => join(out, relative('dist', path))
for (const target of Object.values(bin)) chmodSync(built(target), 0o755)

const reached = new Set()
for (const { types } of Object.values(exports)) if (types) reach(built(types))
for (const path of readdirSync(out, { recursive: true })) {
  const file = join(out, path)
  if (file.endsWith('.d.ts') && !reached.has(file)) rmSync(file)
}

function reach(declaration) {
  if (reached.has(declaration)) return
  reached.add(declaration)
  const imports = readFileSync(declaration, 'utf8').matchAll(/(?:\bfrom |\bimport |\bimport\()['"](\.[^'"]+)\.js['"]/g)
  for (const [, path] of imports) reach(resolve(dirname(declaration), `${path}.d.ts`))
}
