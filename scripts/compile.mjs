// Builds dist/ of src/, or the folder given: without what an earlier build left there, and with the executable bit
// on the commands. tsc checks the types; what it makes is put together by Rollup, a file for each entry and for what
// entries share, and minified: 0.55 of the download, and 0.7 to 0.85 of the time to load, of a file a module.
//
// All files lie side by side: a module that is looked for beside another one, such as the worker of `race`, is found
// there, whatever file the other one has become a part of.
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { basename, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import { minify } from 'terser'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = resolve(root, process.argv[2] ?? 'dist')
const { bin, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What is imported: each entry of package.json is a file of src/ with the same name. */
const entries = Object.values(exports).flatMap(({ types }) => (types ? [basename(types, '.d.ts')] : []))
/** What is started by its path and imported by nobody: its name in the build, and the file of src/. */
const started = {
  cli: 'cli/main',
  'race-worker': 'harness/race-worker',
  'naive-actors': 'cli/demo/naive-actors',
  'locked-actors': 'cli/demo/locked-actors',
}

// In the project, where the declarations find those of its dependencies.
mkdirSync(join(root, '.tmp'), { recursive: true })
const compiled = mkdtempSync(join(root, '.tmp/build-'))
process.on('exit', () => rmSync(compiled, { recursive: true }))
compile()
rmSync(out, { recursive: true, force: true })
await bundleCode()
await bundleTypes()
for (const path of Object.values(bin)) chmodSync(join(out, basename(path)), 0o755)

function compile() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', compiled], { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

async function bundleCode() {
  const files = { ...Object.fromEntries(entries.map((name) => [name, name])), ...started }
  const input = Object.fromEntries(Object.entries(files).map(([name, file]) => [name, join(compiled, `${file}.js`)]))
  const bundle = await rollup({ input, external: isDependency, onwarn: refuse })
  await bundle.write({
    dir: out,
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    // A file of its own, told from the package's own code.
    manualChunks: (id) => (id.startsWith(join(compiled, 'generated')) ? 'generated-client' : undefined),
    plugins: [{ name: 'terser', renderChunk: minified }],
  })
}

/** With lines that a stack trace can point to, and the names of classes, which are those of errors. */
async function minified(code) {
  const options = { module: true, keep_classnames: true, compress: { passes: 2 }, format: { max_line_len: 500 } }
  return { code: (await minify(code, options)).code, map: null }
}

async function bundleTypes() {
  const input = Object.fromEntries(entries.map((name) => [name, join(compiled, `${name}.d.ts`)]))
  const bundle = await rollup({ input, external: isDependency, plugins: [dts()], onwarn: refuse })
  await bundle.write({ dir: out, entryFileNames: '[name].d.ts', chunkFileNames: '[name]-[hash].d.ts' })
}

function isDependency(id) {
  return !id.startsWith('.') && !isAbsolute(id)
}

// Rollup only warns of what would end in a broken package, such as an import that leads nowhere.
function refuse({ code, plugin, message }) {
  // tsc's helpers for `using` ask for a `this` that no module has, and do without.
  if (code === 'THIS_IS_UNDEFINED') return
  // A type that no entry exports; test/package/tarball.test.ts looks whether a declaration ever has to name one.
  if (plugin === 'dts' && message.includes('no public re-export')) return
  throw new Error(message)
}
