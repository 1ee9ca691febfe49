// Compiles src/ into dist/, or into the folder given: without what an earlier build left there, and with
// the executable bit on the commands, which neither tsc nor npm sets.
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = resolve(root, process.argv[2] ?? 'dist')

rmSync(out, { recursive: true, force: true })
const tsc = join(root, 'node_modules/typescript/bin/tsc')
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', out], { cwd: root, stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
for (const target of Object.values(bin)) chmodSync(join(out, relative('dist', target)), 0o755)
