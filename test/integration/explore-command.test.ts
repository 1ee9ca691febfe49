import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useDatabase } from '../support/database.js'

const database = useDatabase()
const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const COUNT = fileURLToPath(new URL('../support/explorations/count.ts', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rowlock-explore-'))
})
afterAll(() => rm(folder, { recursive: true }))

interface Ended {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `rowlock explore` as a shell does. */
function runExplore(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const env = { ...process.env, COUNT_DATABASE: database.url, NO_COLOR: '1', ...environment }
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', MAIN, 'explore', ...args], { env }, (error, stdout, stderr) => {
      resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr })
    })
  })
}

test('an invariant that holds ends with 0', async () => {
  const { exitCode, stdout, stderr } = await runExplore([COUNT])
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' })
  expect(stdout).toMatch(/^held in all \d+ schedules \(complete\)\n/)
}, 90_000)

test('one that breaks ends with 1, and its token replays it', async () => {
  const html = join(folder, 'report.html')
  const { exitCode, stdout } = await runExplore([COUNT, '--html', html], { COUNT_LOCK: 'none' })
  expect(exitCode).toBe(1)
  expect(stdout).toContain('violated: lost update (P4)')
  expect(await readFile(html, 'utf8')).toMatch(/^<!doctype html>[^]*lost update/i)

  const [token] = /rowlock1\.[\w-]+/.exec(stdout)!
  const again = await runExplore([COUNT, '--replay', token, '--json'], { COUNT_LOCK: 'none' })
  expect(again.exitCode).toBe(1)
  expect(JSON.parse(again.stdout)).toMatchObject({
    verdict: 'violated',
    token,
    counterexample: { anomaly: { name: 'lost update (P4)' }, reason: 'The invariant returned false.' },
  })
}, 90_000)

test('a budget that is too small ends with 3', async () => {
  const { exitCode, stdout } = await runExplore([COUNT], { COUNT_SCHEDULES: '4' })
  expect(exitCode, stdout).toBe(3)
  expect(stdout).toMatch(/^exhausted: /)
}, 90_000)

test('what cannot be explored ends with 2, and says why in a line', async () => {
  const empty = join(folder, 'empty.mjs')
  await writeFile(empty, 'export const explorations = {}')
  const wrong: [args: string[], line: string][] = [
    [[], `rowlock explore: Missing required argument 'file'. See \`rowlock explore --help\`.\n`],
    [['nowhere.ts'], 'rowlock explore: nowhere.ts is not there.\n'],
    [[empty], `rowlock explore: ${empty} exports no \`exploration\`: write \`export const exploration = defineExploration({ … })\`.\n`],
    [[COUNT, '--replay', 'token'], expect.stringContaining('rowlock explore: ') as string],
  ]
  for (const [args, stderr] of wrong) expect(await runExplore(args), args.join(' ')).toEqual({ exitCode: 2, stdout: '', stderr })
}, 90_000)

test('a file that throws ends with 1, and shows where', async () => {
  const broken = join(folder, 'broken.mjs')
  await writeFile(broken, `throw new Error('not today')`)
  const { exitCode, stderr } = await runExplore([broken])
  expect(exitCode).toBe(1)
  expect(stderr).toMatch(/^rowlock explore: Error: not today\n\s+at .*broken\.mjs/)
}, 90_000)
