import { readFile } from 'node:fs/promises'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { parseSchema } from '../../../src/doctor/facts/schema-facts.js'
import { readSourceFacts } from '../../../src/doctor/facts/source-facts.js'
import { writeProject } from '../../support/doctor.js'

test('a schema is read in the names of the database', async () => {
  const { models } = parseSchema(await readFile(new URL('../../support/zoo/schema.prisma', import.meta.url), 'utf8'))
  const animal = models.find(({ name }) => name === 'Animal')!
  expect(animal).toMatchObject({ table: 'animal FROM, SELECT', schema: 'wild life', refersTo: ['Animal', 'Keeper'] })
  expect([...animal.columns]).toContainEqual(['motherId', 'mother'])
  expect(animal.columns.has('children')).toBe(false)
  expect(models.find(({ name }) => name === 'Keeper')).toMatchObject({ table: 'Keeper', refersTo: [] })
})

test('a text that is no schema has no models', () => {
  expect(parseSchema('model {{{').models).toEqual([])
})

test('source is searched without tests, packages and what was built, and whatever it is', async () => {
  const lock = `tx.user.findFirst({ lock: 'forUpdate' })`
  await using project = await writeProject({
    'a.ts': lock,
    'b.mjs': `\n${lock}`,
    'c/d.tsx': `export const View = () => <p>{${lock}}</p>`,
    'broken.js': `${lock} }}}} {`,
    'a.test.ts': lock,
    'a.d.ts': lock,
    'test/a.ts': lock,
    'dist/a.js': lock,
    '.next/a.js': lock,
    'node_modules/a/index.js': lock,
    'a.md': lock,
  })
  const { files, locks } = await readSourceFacts(project.path, ts)
  expect(files).toBe(4)
  expect(locks.map(({ place }) => place)).toEqual(['a.ts:1', 'b.mjs:2', 'broken.js:1', 'c/d.tsx:1'])
})
