import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, test } from 'vitest'
import { runExample } from '../support/examples/example-process.js'

// PostgreSQL has to be started, and the program to be translated.
const START = 60_000

test('npm run example:http answers its own command lines, and a SIGTERM finishes what is under way', { timeout: START }, async () => {
  await using example = await runExample('http/main.ts', { PORT: '0' })
  const [, url] = await example.prints(/Listening on (http:\S+),/)
  await example.prints(/stops it/)
  const lines = [...example.printed().matchAll(/^curl (\S+)(.*)$/gm)]
  expect(lines).toHaveLength(6)
  for (const [, address, rest] of lines) expect((await fetch(address!, toRequest(rest!))).status, address).toBe(200)

  const post = (index: number) =>
    fetch(`${url}/wallet/withdraw`, toRequest(`-H 'Idempotency-Key: "w-${index}"' -d '{"userId":1,"amount":"1"}'`))
  const answers = Array.from({ length: 50 }, (_, index) => post(index))
  await Promise.race(answers)
  example.child.kill('SIGTERM')
  // What had not reached it yet is refused as a whole; what had is answered.
  const settled = await Promise.allSettled(answers)
  const statuses = settled.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value.status] : []))
  expect(new Set(statuses)).toEqual(new Set([200]))
  expect(await example.ended()).toEqual({ code: 0, leftFiles: [] })
  expect(example.printed()).toMatch(/Finishing the requests that are under way …\n$/)
})

test('a port that is taken is said in a sentence', { timeout: START }, async () => {
  await using other = createServer()
  await once(other.listen(0, '127.0.0.1'), 'listening')
  const { port } = other.address() as AddressInfo
  await using example = await runExample('http/main.ts', { PORT: String(port) })
  expect(await example.ended()).toEqual({ code: 1, leftFiles: [] })
  expect(example.printed()).toBe(`Starting PostgreSQL …\nPort ${port} is taken: set PORT to another one, or to 0 for any that is free.\n`)
})

/** The request of a command line of curl. */
function toRequest(line: string): RequestInit {
  const headers = Object.fromEntries([...line.matchAll(/-H '([^:]+): ([^']+)'/g)].map(([, name, value]) => [name!, value!]))
  const body = /-d '([^']+)'/.exec(line)?.[1]
  return body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body }
}
