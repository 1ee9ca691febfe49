import fc from 'fast-check'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Outcome, Plan } from '../fault.js'
import { hostileKey } from './values.js'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const PASSWORD = 'pa55word-of-nobody'
// In milliseconds, on a machine that is busy.
const BOUND = 30_000
const AT_ONCE = 4
/** One takes a process. */
const CALLS_PER_COMMAND = 40

interface Command {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

// No argument and no variable of a process can hold a NUL, and a shell's limit is its own.
const text = hostileKey.map((key) => key.replaceAll('\0', '').slice(0, 10_000))
const url = fc.oneof(
  fc.constantFrom(
    `postgresql://user:${PASSWORD}@127.0.0.1:1/x`,
    `postgresql://user:${PASSWORD}@%zz/x`,
    `postgresql://user:${PASSWORD}@127.0.0.1:1/%zz`,
    `postgresql://user:${PASSWORD}@127.0.0.1:99999/x`,
    `mysql://user:${PASSWORD}@127.0.0.1:1/x`,
    `user:${PASSWORD}@127.0.0.1`,
    `postgresql://user:${PASSWORD}@127.0.0.1:1/x?options=-c%20${PASSWORD}`,
    `postgresql://user:${PASSWORD}@[::1/x`,
  ),
  text.map((one) => `postgresql://user:${PASSWORD}@127.0.0.1:1/${one}`),
  text.filter((one) => one !== '').map((one) => `${one}${PASSWORD}`),
)
const option = fc.oneof(
  fc.constantFrom('--json', '--only', '--html', '--replay', '--', '-', '--version', '--only=wallet', '--json=1', '.', '..', 'package.json'),
  fc.constantFrom('--export', '--input', '--input={}', '--requests', '--requests=0', '--processes=99', '--expect=-1', '--deadline=1e9'),
  fc.constantFrom('--no-database', '--database', '--migrations', '--schema', '--source', '--source=src/cli'),
  url.map((one) => `--database=${one}`),
  url.map((one) => `--url=${one}`),
  text,
)
const command: fc.Arbitrary<Command> = fc.record({
  args: fc
    .tuple(fc.constantFrom('demo', 'explore', 'race', 'locks', 'doctor', 'help'), fc.array(option, { maxLength: 3 }))
    .map(([name, more]) => [name, ...more]),
  env: fc.record({ DATABASE_URL: url, ROWLOCK_DATABASE: text }, { requiredKeys: ['DATABASE_URL'] }),
})

/** Runs the command with hostile arguments and environments: it must end, with an exit code of its own and in a sentence. */
export async function runCommands(plan: Plan): Promise<Outcome> {
  const seed = Math.floor(plan.random() * 2 ** 31)
  const queue = fc.sample(command, { numRuns: Math.max(4, Math.ceil(plan.size / CALLS_PER_COMMAND)), seed })
  const total = queue.length
  const untyped: string[] = []
  const stuck: string[] = []
  const work = async () => {
    for (let one = queue.pop(); one && !plan.signal.aborted; one = queue.pop()) {
      const { code, output } = await runOne(one)
      const what = `rowlock ${JSON.stringify(one).slice(0, 200)}`
      if (code === 'stuck') stuck.push(what)
      else if (code === null || ![0, 1, 2, 3].includes(code)) untyped.push(`${what} ended with ${code}`)
      else if (/^\s+at /m.test(output)) untyped.push(`${what} printed a stack: ${output.slice(0, 300)}`)
      else if (output.includes(PASSWORD)) untyped.push(`${what} printed the password: ${output.slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  plan.progress(`rowlock demo | explore | race | locks | help: ${total} commands`)
  const notes = [`${total} commands`, ...untyped.map((one) => `untyped: ${one}`), ...stuck.map((one) => `stuck: ${one}`)]
  return { faults: total, operations: total, untyped: untyped.length, stuck: stuck.length, notes }
}

async function runOne({ args, env }: Command): Promise<{ code: number | null | 'stuck'; output: string }> {
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (data: string) => (output += data))
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, BOUND)
  const [code] = (await once(child, 'close')) as [number | null]
  clearTimeout(timer)
  return { code: late ? 'stuck' : code, output }
}
