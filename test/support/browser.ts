import { accessSync, constants } from 'node:fs'
import { type Browser, chromium, type Page, type Request } from 'playwright-core'

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

/** A new page, and what it has complained of since: what its scripts log or throw, and requests that are not expected. */
export async function openWatchedPage(
  browser: Browser,
  isExpected: (request: Request) => boolean,
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', ({ message }) => complaints.push(message))
  page.on('request', (request) => {
    if (!isExpected(request)) complaints.push(`requested ${request.url()}`)
  })
  return { page, complaints }
}
