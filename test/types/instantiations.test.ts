import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, onTestFinished, test } from 'vitest'
import { createProject } from '../../bench/types/project.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

// What the compiler does is counted and not timed: the same on every machine. `npm run bench:types` has the times.
test('the compiler does less for transactions that lock than for those of an empty extension', { timeout: 180_000 }, () => {
  const folder = join(root, '.tmp/instantiations')
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  createProject({ folder, models: 20, rowlock: join(root, 'src/index.ts') })
  const ratio = countInstantiations(join(folder, 'locking')) / countInstantiations(join(folder, 'extended'))
  expect(ratio).toBeLessThan(0.7)
})

function countInstantiations(project: string): number {
  const config = ts.readConfigFile(join(project, 'tsconfig.json'), ts.sys.readFile).config as unknown
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, project)
  const program = ts.createProgram(fileNames, options)
  const problems = fileNames.flatMap((file) => program.getSemanticDiagnostics(program.getSourceFile(file)))
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([])
  return program.getInstantiationCount()
}
