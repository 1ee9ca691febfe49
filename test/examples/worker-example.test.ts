import { expect, test } from 'vitest'
import { runExample } from '../support/examples/example-process.js'

// PostgreSQL and some five processes have to be started, on two cores.
const LONG = 180_000

test('npm run example:worker kills its workers, and credits every payment once', { timeout: LONG }, async () => {
  await using example = await runExample('worker/main.ts')
  expect(await example.ended()).toEqual({ code: 0, leftFiles: [] })
  const printed = example.printed()
  expect(printed.match(/killed with SIGKILL/g)).toHaveLength(2)
  expect(printed).toMatch(/\n301 jobs are completed, \d+ of them by a second attempt; 1 failed for good, 0 are open\.\n/)
  expect(printed).toMatch(/\nThere are 300 credits, of 375\.00 in all\.\n$/)
})

test('with naive workers it credits more than there is', { timeout: LONG }, async () => {
  await using example = await runExample('worker/main.ts', {}, ['--naive'])
  expect(await example.ended()).toMatchObject({ code: 0 })
  expect(Number(/There are (\d+) credits/.exec(example.printed())?.[1])).toBeGreaterThan(301)
})

test('a SIGTERM finishes the jobs that are under way', { timeout: LONG }, async () => {
  await using example = await runExample('worker/main.ts')
  await example.prints(/killed with SIGKILL/)
  example.child.kill('SIGTERM')
  expect(await example.ended()).toEqual({ code: 0, leftFiles: [] })
  expect(example.printed()).toMatch(/ are open\.\nThere are \d+ credits/)
})
