import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ESLint } from 'eslint'
import { describe, expect, test } from 'vitest'

import { run, runBin, temporaryFolder } from './tarball.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

// Each check is shown a planted violation: a check that never fails proves nothing.

const CRUISE = 'dependency-cruiser/bin/dependency-cruise.mjs'

describe('npm run check:imports', () => {
  test('accepts the tree', async () => {
    await runBin(CRUISE, ['--config', '.dependency-cruiser.mjs', 'src'])
  })

  test('reports every import that goes the wrong way, and no other', async () => {
    const wrong: Record<string, [rule: string, from: string, to: string]> = {
      'core needs nothing': ['core-imports', 'src/core/sql.ts', '../sql/x.js'],
      'core needs no test': ['core-imports', 'src/core/test.ts', '../../test/x.js'],
      'sql is under the adapter': ['sql-imports', 'src/sql/adapter.ts', '../adapter/x.js'],
      'the adapter knows no transaction': ['adapter-imports', 'src/adapter/transaction.ts', '../transaction/x.js'],
      'events are told, and call nobody': ['events-imports', 'src/events/adapter.ts', '../adapter/x.js'],
      'the adapter knows no events': ['adapter-imports', 'src/adapter/events.ts', '../events/x.js'],
      'a transaction needs no extension': ['transaction-imports', 'src/transaction/extension.ts', '../extension/x.js'],
      'production code has no harness': ['extension-imports', 'src/extension/harness.ts', '../harness/x.js'],
      'production code has no report': ['adapter-imports', 'src/adapter/report.ts', '../report/x.js'],
      'the generated client is for repositories': ['extension-imports', 'src/extension/generated.ts', '../generated/x.js'],
      'once needs no repositories': ['idempotency-imports', 'src/idempotency/repositories.ts', '../repositories/x.js'],
      'repositories need no lockers': ['repositories-imports', 'src/repositories/lockers.ts', '../lockers/x.js'],
      'lockers need no CLI': ['lockers-imports', 'src/lockers/cli.ts', '../cli/x.js'],
      'the explorer knows no SQL': ['explorer-imports', 'src/explorer/sql.ts', '../sql/x.js'],
      'the harness needs no repositories': ['harness-imports', 'src/harness/repositories.ts', '../repositories/x.js'],
      'the doctor takes no locks': ['doctor-imports', 'src/doctor/extension.ts', '../extension/x.js'],
      'a report prints nothing': ['report-imports', 'src/report/cli.ts', '../cli/x.js'],
      'a new part has no rule yet': ['known-parts', 'src/elsewhere/core.ts', '../core/x.js'],
      'entries are for users': ['entries-re-export-folders', 'src/entry.ts', './index.js'],
      'a module needs itself': ['no-cycles', 'src/sql/cycle.ts', './cycle.js'],
      'a module is gone': ['resolvable', 'src/core/gone.ts', './nowhere.js'],
      'a package is not declared': ['declared', 'src/core/package.ts', 'left-pad'],
    }
    const right = { 'src/extension/right.ts': '../adapter/x.js', 'src/cli/right.ts': '../report/x.js', 'src/sql/right.ts': '../core/x.js' }
    await using folder = await temporaryFolder()
    await writeAll(folder.path, {
      'package.json': '{ "type": "module" }',
      'tsconfig.json': '{ "compilerOptions": { "module": "NodeNext" } }',
      'src/index.ts': "export { x } from './core/x.js'",
      'node_modules/left-pad/package.json': '{ "name": "left-pad", "version": "1.0.0", "main": "index.js" }',
      'node_modules/left-pad/index.js': 'module.exports = 1',
    })
    const parts = [
      'core',
      'sql',
      'adapter',
      'events',
      'transaction',
      'extension',
      'idempotency',
      'repositories',
      'lockers',
      'jobs',
      'monitor',
      'explorer',
      'harness',
      'doctor',
      'report',
      'cli',
    ]
    for (const part of [...parts, 'generated', '../test']) await writeAll(folder.path, { [`src/${part}/x.ts`]: 'export const x = 1' })
    const imports = [...Object.entries(right), ...Object.values(wrong).map(([, from, to]) => [from, to] as const)]
    for (const [from, to] of imports) await writeAll(folder.path, { [from]: `import * as b from '${to}'\nexport { b }` })

    const args = [join(root, 'node_modules', CRUISE), '--config', join(root, '.dependency-cruiser.mjs'), 'src']
    const printed = await run(process.execPath, args, { cwd: folder.path }).catch((error: unknown) => String(error))
    const reported = [...printed.matchAll(/error ([\w-]+): (\S+)/g)].map(([, rule, from]) => `${rule} ${from}`)
    expect(reported.sort()).toEqual(
      Object.values(wrong)
        .map(([rule, from]) => `${rule} ${from}`)
        .sort(),
    )
  }, 60_000)
})

describe('npm run lint', () => {
  const eslint = new ESLint({ cwd: root })
  const lint = async (file: string, code: string) => {
    const [result] = await eslint.lintText(code, { filePath: resolve(root, file) })
    return result!.messages.map(({ ruleId, message }) => ruleId ?? message)
  }

  test.each([
    ['a floating promise', 'src/core/clock.ts', 'Promise.resolve(1)', '@typescript-eslint/no-floating-promises'],
    ['a misused promise', 'src/core/clock.ts', 'if (Promise.resolve(1)) throw new Error()', '@typescript-eslint/no-misused-promises'],
    ['a floating promise in a test', 'test/support/wait-until.ts', 'Promise.resolve(1)', '@typescript-eslint/no-floating-promises'],
    ['any', 'src/core/clock.ts', 'export const a: any = 1', '@typescript-eslint/no-explicit-any'],
    ['the console', 'src/harness/race.ts', 'console.log(1)', 'no-console'],
    ['the process outside the harness and the CLI', 'src/core/clock.ts', 'export const a = process.env', 'no-restricted-globals'],
    ['the process in the events beside their warning', 'src/events/emitter.ts', 'export const a = process.env', 'no-restricted-globals'],
    ['node:process there', 'src/adapter/lockable.ts', "export { env } from 'node:process'", 'no-restricted-imports'],
    ['a default export', 'src/core/clock.ts', 'export default 1', 'no-restricted-syntax'],
    ['an enum', 'src/core/clock.ts', 'export enum A { B }', 'no-restricted-syntax'],
    ['code in a public entry', 'src/index.ts', 'export const a = 1', 'no-restricted-syntax'],
  ])('reports %s', async (_, file, code, rule) => {
    expect(await lint(file, code)).toContain(rule)
  })

  test('lets nothing be switched off inside src/, and complains about the attempt', async () => {
    const messages = await lint('src/core/clock.ts', '// eslint-disable-next-line\nPromise.resolve(1)')
    expect(messages).toContain('@typescript-eslint/no-floating-promises')
    expect(messages.join()).toMatch(/has no effect because you have 'noInlineConfig'/)
  })
})

describe('npm run bench:events', () => {
  const check = ['apply', '--check', join(root, 'bench/events/without-events.patch')]

  test('can take the events out of the sources as they are', async () => {
    await run('git', check)
  })

  test('says so when it cannot', async () => {
    await using folder = await temporaryFolder()
    await expect(run('git', check, { cwd: folder.path })).rejects.toThrow('No such file or directory')
  })
})

async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true })
    await writeFile(join(folder, file), text)
  }
}
