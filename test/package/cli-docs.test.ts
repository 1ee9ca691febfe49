import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { KEY_BINDINGS } from '../../src/cli/locks/watch-state.js'
import { createProgram } from '../../src/cli/program.js'
import { RACE_EXAMPLE } from '../../src/cli/race-command.js'
import { CHECKS } from '../../src/doctor/checks.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const docs = readFileSync(`${root}/docs/cli.md`, 'utf8')
const program = createProgram('0.0.0')
const commands = program.commands.filter((command) => command.name() !== 'help')

/** The text under a heading of the second level, up to the next. */
function sectionOf(command: string): string | undefined {
  return new RegExp(`^## rowlock ${command}\\n([^]*?)(?=^## |(?![^]))`, 'm').exec(docs)?.[1]
}

/** What of a command `section` does not name. */
const missing = (section: string, flags: readonly string[]) => flags.filter((flag) => !section.includes(`\`${flag}\``))

describe.each(commands.map((command) => [command.name(), command] as const))('docs/cli.md has rowlock %s', (name, command) => {
  const section = sectionOf(name) ?? ''
  test('among the commands, and a section of its own', () => {
    expect(docs).toContain(`| [\`rowlock ${name}\`](#rowlock-${name}) |`)
    expect(section).not.toBe('')
  })
  // What is documented elsewhere is linked to.
  test.skipIf(/^See \[\w+\.md\]/m.test(section))('with every option and exit code', () => {
    expect(
      missing(
        section,
        command.options.map(({ flags }) => flags),
      ),
    ).toEqual([])
    for (const code of [0, 1, 2, 130]) expect(section).toMatch(new RegExp(`\\b${code}\\b`))
  })
})

test('an option that is missing there is noticed', () => {
  expect(missing(sectionOf('race')!, ['--export <name>', '--no-such-option'])).toEqual(['--no-such-option'])
})

test('the example of the help stands there as it is', () => {
  expect(docs).toContain(`\`\`\`ts${RACE_EXAMPLE}\`\`\``)
})

test('every key of the watch is there, with what it does', () => {
  const watching = readFileSync(`${root}/docs/locks.md`, 'utf8')
  for (const { label, meaning } of KEY_BINDINGS) expect(watching).toContain(`\n| \`${label}\` | ${meaning} |\n`)
})

test('every check of the doctor is there, and the reasons that it names are', () => {
  for (const { name, docs: reasons } of CHECKS) {
    expect(sectionOf('doctor')).toContain(`\n| \`${name}\` | `)
    const [file = '', anchor] = reasons.split('#')
    expect(existsSync(`${root}/${file}`), reasons).toBe(true)
    if (anchor !== undefined) expect(anchorsOf(readFileSync(`${root}/${file}`, 'utf8')), reasons).toContain(anchor)
  }
})

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
}
