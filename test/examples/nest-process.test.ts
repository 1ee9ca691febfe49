import { expect, test } from 'vitest'
import { runExample } from '../support/examples/example-process.js'

// PostgreSQL has to be started, and the program to be translated.
const START = 60_000

test('npm run example:nest answers its own command lines, and ends on SIGTERM', { timeout: START }, async () => {
  await using example = await runExample('nest/main.ts', { PORT: '0' })
  await example.prints(/stops it/)
  const lines = [...example.printed().matchAll(/^curl (\S+) -H .* -H 'Idempotency-Key: (.+)' -d '(.+)'$/gm)]
  const answers = lines.map(async ([, url, key, body]) => {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': key! }
    return (await fetch(url!, { method: 'POST', headers, body: body! })).status
  })
  expect(await Promise.all(answers)).toEqual([200, 200])
  example.child.kill('SIGTERM')
  expect(await example.ended()).toEqual({ code: 0, leftFiles: [] })
  expect(example.printed()).toMatch(/Finishing the requests that are under way …\n$/)
})
