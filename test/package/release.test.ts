import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { run, temporaryFolder } from './tarball.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const PUBLISH = 'npm publish --provenance --access public'
const AUDIT = 'npm audit --omit=dev'

/** A package of its own on `main`, with everything that a release asks for but the tag; npm and `.ci/run` only note that they were called. */
async function createPackage() {
  const folder = await temporaryFolder()
  const path = (name: string) => join(folder.path, 'package', name)
  const calls = join(folder.path, 'calls')
  const write = async (file: string, text: string, mode = 0o644) => {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
    await chmod(file, mode)
  }
  const noting = (what: string) => `#!/bin/sh\necho "${what}" >>'${calls}'\ncase " $FAIL " in *" $(basename "$0")-$1 "*) exit 1 ;; esac\n`
  await write(calls, '')
  await write(join(folder.path, 'bin/npm'), noting('npm $*'), 0o755)
  await write(path('.ci/run'), noting('.ci/run'), 0o755)
  await write(path('package.json'), JSON.stringify({ name: 'some', version: '1.2.3', repository: 'some/where' }))
  await write(
    path('CHANGELOG.md'),
    '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n- All of it.\n\n## [1.2.2] - 2026-01-01\n\n- Less.\n',
  )
  await mkdir(path('scripts'))
  await copyFile(join(root, 'scripts/release.mjs'), path('scripts/release.mjs'))

  const cwd = path('')
  const author = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b',
    GIT_CONFIG_GLOBAL: '/dev/null',
  }
  const git = (...args: string[]) => run('git', args, { cwd, env: author })
  const commit = async () => {
    await git('add', '--all')
    await git('commit', '--quiet', '--allow-empty', '--message', 'A commit')
  }
  await git('init', '--quiet', '--initial-branch', 'main')
  await commit()
  return {
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
    git,
    commit,
    write: (file: string, text: string) => write(path(file), text),
    /** @param fail The call that fails, such as `npm-audit`. */
    release: (args: readonly string[] = [], fail = '') =>
      run(process.execPath, ['scripts/release.mjs', ...args], {
        cwd,
        env: { PATH: `${join(folder.path, 'bin')}${delimiter}${process.env['PATH']}`, FAIL: fail },
      }),
    calls: async () => (await readFile(calls, 'utf8')).split('\n').filter((line) => line !== ''),
  }
}

let pack: Awaited<ReturnType<typeof createPackage>>
beforeEach(async () => {
  pack = await createPackage()
})
afterEach(() => pack[Symbol.asyncDispose]())

describe('npm run release', () => {
  test('publishes the tagged commit with provenance, after the audit and every check', async () => {
    await pack.git('tag', 'v1.2.3')
    await pack.release()
    expect(await pack.calls()).toEqual([AUDIT, '.ci/run', PUBLISH])
  })

  test('publishes a tag that is checked out by itself, as CI does', async () => {
    await pack.git('tag', 'v1.2.3')
    await pack.git('checkout', '--quiet', 'v1.2.3')
    await pack.release()
    expect(await pack.calls()).toContain(PUBLISH)
  })

  test('goes through all of it before there is a tag with --dry-run', async () => {
    await pack.release(['--dry-run'])
    expect(await pack.calls()).toEqual([AUDIT, '.ci/run', `${PUBLISH} --dry-run`])
  })

  test.each<[what: string, reason: RegExp, plant: () => Promise<unknown>]>([
    ['an uncommitted change', /working tree has changes/, () => pack.write('new.txt', '')],
    ['a commit beside main', /not on main/, () => pack.git('checkout', '--quiet', '-b', 'other').then(pack.commit)],
    ['a version that is out', /v1\.2\.3 is another commit/, () => pack.git('tag', 'v1.2.3').then(pack.commit)],
    [
      'no changelog for the version',
      /no section \[1\.2\.3\]/,
      () => pack.write('CHANGELOG.md', '## [1.2.3]\n\n## [1.2.2]\n\n- Less.\n').then(pack.commit),
    ],
    ['no repository', /no "repository"/, () => pack.write('package.json', '{ "version": "1.2.3" }').then(pack.commit)],
  ])('refuses %s, before anything is asked or run', async (_what, reason, plant) => {
    await plant()
    await expect(pack.release(['--dry-run'])).rejects.toThrow(reason)
    expect(await pack.calls()).toEqual([])
  })

  test('refuses to publish a commit without its tag, and tells every reason at once', async () => {
    await pack.write('new.txt', '')
    await expect(pack.release()).rejects.toThrow(
      /v1\.2\.3 is not released\.\n- The working tree [^]*\n- This commit is not tagged v1\.2\.3\./,
    )
    expect(await pack.calls()).toEqual([])
  })

  test('refuses an option that it does not have', async () => {
    await expect(pack.release(['--dryrun'])).rejects.toThrow(/no option --dryrun/)
    expect(await pack.calls()).toEqual([])
  })

  test.each([
    ['a finding of npm audit', 'npm-audit', /npm audit --omit=dev has found something/, [AUDIT]],
    ['a failed check', 'run-', /\.ci\/run has failed/, [AUDIT, '.ci/run']],
    ['a publication that failed', 'npm-publish', /failed/, [AUDIT, '.ci/run', `${PUBLISH} --dry-run`]],
  ])('ends with an error after %s', async (_what, fail, reason, calls) => {
    await expect(pack.release(['--dry-run'], fail)).rejects.toThrow(reason)
    expect(await pack.calls()).toEqual(calls)
  })
})

describe('the workflows', () => {
  const read = (name: string) => readFile(join(root, '.github/workflows', name), 'utf8')

  test('publish by npm run release, on a tag, with a token for provenance and no other', async () => {
    const workflow = await read('release.yml')
    expect(workflow).toMatch(/^ +tags: \['v\*'\]$/m)
    expect(workflow).toMatch(/^ +id-token: write$/m)
    expect(workflow).toMatch(/^ +- run: npm run release$/m)
    expect(workflow).not.toMatch(/secrets\./)
  })

  test('check by .ci/run, on every Node that package.json promises', async () => {
    const workflow = await read('ci.yml')
    expect(workflow).toMatch(/^ +- run: \.ci\/run$/m)
    const { engines } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { engines: { node: string } }
    const promised = [...engines.node.matchAll(/(\d+)\.\d+/g)].map(([, major]) => major)
    expect(workflow).toContain(`node: [${promised.join(', ')}]`)
  })
})
