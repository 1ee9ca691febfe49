/** What stands under the options in the help of a command. */
export interface CommandHelp {
  /** What the command does, in lines of at most 100 characters. */
  readonly about: string
  /** Command lines that work. */
  readonly examples: readonly string[]
  /** What 0, 1 and further codes of its own mean. */
  readonly exitCodes: Readonly<Record<number, string>>
}

const COMMON_EXIT_CODES = {
  2: 'The command line is wrong; nothing was done.',
  130: 'Ctrl-C; another signal adds its number to 128 as well.',
}

/** The same parts in the same order for every command. */
export function renderHelp({ about, examples, exitCodes }: CommandHelp): string {
  const codes = Object.entries({ ...exitCodes, ...COMMON_EXIT_CODES }).map(([code, meaning]) => `  ${code.padEnd(5)}${meaning}`)
  return ['', about.trim(), '', 'Examples:', ...examples.map((line) => `  $ ${line}`), '', 'Exit codes:', ...codes].join('\n')
}
