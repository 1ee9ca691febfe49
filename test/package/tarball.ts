import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const execute = promisify(execFile)

/** The parts of package.json that the tests of this folder look at. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly bin: { readonly rowlock: string }
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: boolean }>>
}

export const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest

/** Runs a script of one of our own dependencies with Node. @throws with everything that it printed. */
export async function runBin(
  script: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return run(process.execPath, [join(root, 'node_modules', script), ...args], options)
}

/** Runs a command to its end and returns what it printed. @throws with everything that it printed. */
export async function run(
  command: string,
  args: readonly string[],
  { cwd = root, env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  try {
    const { stdout } = await execute(command, args, { cwd, env: { ...process.env, ...env }, maxBuffer: 64 << 20 })
    return stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error })
  }
}

/** A new folder that is removed by `await using`. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'rowlock-package-')))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/**
 * Builds and packs the package as `npm publish` would, but in a folder of its own: other test files read
 * the generated client meanwhile, and `npm run build` writes it anew.
 *
 * @returns the path of the tarball in `folder`.
 */
export async function packTarball(folder: string): Promise<string> {
  const stage = join(folder, 'stage')
  await mkdir(stage)
  await run(process.execPath, ['scripts/compile.mjs', join(stage, 'dist')])
  for (const file of await readdir(root)) {
    if (/^(package\.json|README\.md|CHANGELOG\.md|LICENSE|prisma)$/.test(file))
      await cp(join(root, file), join(stage, file), { recursive: true })
  }
  // What must never be published, to see that it is not.
  for (const file of ['test/some.test.ts', 'scripts/some.mjs', '.env']) {
    await mkdir(dirname(join(stage, file)), { recursive: true })
    await writeFile(join(stage, file), '')
  }
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: stage })
  return join(folder, `${manifest.name}-${manifest.version}.tgz`)
}

/**
 * Puts the tarball into the project's node_modules beside links to what it declares, and to the `tools`
 * of the project: what the package imports without declaring it is not found there.
 */
export async function installTarball(tarball: string, project: string, tools: readonly string[]): Promise<void> {
  const modules = join(project, 'node_modules')
  await mkdir(join(modules, manifest.name), { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, manifest.name)])
  for (const name of new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies), ...tools])) {
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(join(root, 'node_modules', name), join(modules, name))
  }
}
