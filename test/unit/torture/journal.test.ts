import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { AmbiguousCommitError, DeadlockError } from 'rowlock'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Journal, readJournals } from '../../../torture/journal.js'
import type { Movement } from '../../../torture/movement.js'

const MOVEMENT: Movement = { id: 1, kind: 'withdraw', userId: 7, key: 'k' }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rowlock-journal-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('tells what every call was told, in order', async () => {
  {
    await using journal = await Journal.open(folder, 'first')
    await journal.record(MOVEMENT, () => Promise.reject(new AmbiguousCommitError('lost')))
    await journal.record(MOVEMENT, () => Promise.reject(new DeadlockError('victim')))
    await journal.record(MOVEMENT, () => Promise.reject(new TypeError('no')))
    await journal.record(MOVEMENT, async () => ({ entry: { id: 12n } }))
  }
  expect(await readJournals(folder)).toEqual([
    {
      movement: MOVEMENT,
      calls: [
        { said: 'unknown', error: 'AmbiguousCommitError' },
        { said: 'refused', error: 'DeadlockError' },
        { said: 'untyped', error: 'TypeError: no' },
        { said: 'ok', entry: '12' },
      ],
    },
  ])
})

test('puts together what two processes did about one movement', async () => {
  await using first = await Journal.open(folder, 'b')
  await first.intend(MOVEMENT)
  await using second = await Journal.open(folder, 'a')
  await second.record(MOVEMENT, async () => undefined)
  const [one] = await readJournals(folder)
  expect(one!.calls).toHaveLength(2)
  expect(one!.calls).toEqual(expect.arrayContaining([undefined, { said: 'ok' }]))
})

test('refuses two movements of one id', async () => {
  await using journal = await Journal.open(folder, 'first')
  await journal.intend(MOVEMENT)
  await journal.intend({ ...MOVEMENT, userId: 8 })
  await expect(readJournals(folder)).rejects.toThrow('Two movements have the id 1')
})

test('leaves out a line that was cut off', async () => {
  await using journal = await Journal.open(folder, 'first')
  await journal.intend(MOVEMENT)
  await appendFile(join(folder, 'first.journal'), '{"intent":{"id":2')
  expect(await readJournals(folder)).toEqual([{ movement: MOVEMENT, calls: [undefined] }])
})

test('survives a kill -9 with everything that its process was told was written', async () => {
  const program = fileURLToPath(new URL('journal-process.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', program, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let written = 0
  for await (const line of createInterface({ input: child.stdout })) {
    written = Math.max(written, Number(line))
    if (written >= 200) child.kill('SIGKILL')
  }
  await exited
  const ids = new Set((await readJournals(folder)).map(({ movement }) => movement.id))
  expect(written).toBeGreaterThanOrEqual(200)
  for (let id = 1; id <= written; id++) expect(ids.has(id)).toBe(true)
})
