/** What the process ends with, as shells know it. A signal adds its number to 128. */
export const ExitCode = {
  ok: 0,
  /** The command did its work, and the answer is no; or it could not do it. */
  failed: 1,
  /** The command line is wrong; nothing was done. */
  usage: 2,
  /** The budget ended before there was an answer. */
  unfinished: 3,
} as const
