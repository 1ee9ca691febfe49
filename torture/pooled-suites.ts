import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** What became of the tests of some files. */
export interface SuitesResult {
  readonly passed: number
  /** Their names, and the first line of what each failed with. */
  readonly failed: readonly string[]
}

export interface SuitesOptions {
  /** The server itself, for the fixtures and probes of the tests. */
  readonly databaseUrl: string
  /** `host:port` of the pooler, for the clients under test. */
  readonly pooler: string
  /** Files or folders. */
  readonly paths: readonly string[]
  /** Tests to leave out. */
  readonly except: readonly RegExp[]
  readonly signal: AbortSignal
}

interface Report {
  readonly testResults: readonly {
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: readonly string[]
    }[]
  }[]
}

// Of one test: what a machine that is at work takes longer for is not wrong. In milliseconds.
const PATIENCE = 120_000

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs the project's own tests with a pooler between their clients and the database. */
export async function runPooledSuites({ databaseUrl, pooler, paths, except, signal }: SuitesOptions): Promise<SuitesResult> {
  const folder = await mkdtemp(join(tmpdir(), 'rowlock-suites-'))
  try {
    const output = join(folder, 'report.json')
    const names = `^(?!.*(?:${except.map(({ source }) => source).join('|') || '$^'}))`
    const args = ['run', '--reporter=json', `--outputFile=${output}`, `--testTimeout=${PATIENCE}`, '--testNamePattern', names, ...paths]
    const child = spawn(process.execPath, [locateVitest(), ...args], {
      cwd: root,
      // Its own messages are about tests that are meant to meet errors.
      stdio: 'ignore',
      env: { ...process.env, DATABASE_URL: databaseUrl, ROWLOCK_TEST_POOLER: pooler },
      signal,
    })
    await once(child, 'exit')
    return summarize(JSON.parse(await readFile(output, 'utf8')) as Report)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function locateVitest(): string {
  return join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
}

/** A file that could not be loaded has no tests that failed, but a message. */
function summarize({ testResults }: Report): SuitesResult {
  const tests = testResults.flatMap((file) => file.assertionResults)
  const broken = testResults.filter((file) => file.assertionResults.length === 0).map(({ message }) => firstLine(message))
  const failed = tests.filter(({ status }) => status === 'failed')
  return {
    passed: tests.filter(({ status }) => status === 'passed').length,
    failed: [...broken, ...failed.map(({ fullName, failureMessages }) => `${fullName}: ${firstLine(failureMessages?.[0] ?? '')}`)],
  }
}

const firstLine = (text: string) => text.split('\n', 1)[0]!
