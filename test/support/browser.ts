import { accessSync, constants } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

// A page from disk needs neither the network nor anything that Chromium fetches by itself.
const ARGUMENTS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Where a Chromium is installed: `CHROMIUM_PATH`, or where Linux distributions put it. */
export function findChromium(): string | undefined {
  const candidates = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  return candidates.find((path) => path !== undefined && isExecutable(path))
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A browser with an empty profile, which goes when it is closed. */
export function startChromium(executablePath: string): Promise<Browser> {
  // Chromium's sandbox refuses to be run by root, as containers do.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return chromium.launch({ executablePath, headless: true, args: [...ARGUMENTS, ...sandbox] })
}
