import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { renderExploreHtml } from '../../src/report/explore-html.js'
import { findChromium, openWatchedPage, startChromium } from '../support/browser.js'
import { deadlock, exhausted, held, hostile, lostUpdate, nondeterministic, TOKEN } from '../unit/report/facts.js'

const NO_CHROMIUM = 'Skipped: no Chromium is installed here to read the report page with; say where one is with CHROMIUM_PATH.'

const chromium = findChromium()
let browser: Browser | undefined
let folder: string
let page: Page
let complaints: string[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rowlock-report-'))
  if (chromium !== undefined) browser = await startChromium(chromium)
  // The reporter counts skipped tests and keeps their reason to itself.
  else console.warn(NO_CHROMIUM)
})

afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true })
})

beforeEach(async (context) => {
  context.skip(browser === undefined, NO_CHROMIUM)
  ;({ page, complaints } = await openWatchedPage(browser!, (request) => request.isNavigationRequest()))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
})

afterEach(async () => {
  if (browser === undefined) return
  await page.close()
  expect(complaints).toEqual([])
})

const step = (number: number) => page.locator(`[data-step="${number}"]`)
const detail = (number: number) => page.locator(`#detail-${number}`)
const focusedStep = () => page.evaluate<string | undefined>('document.activeElement.dataset.step')

/** As WCAG has it, of a color as the browser computes it: `rgb(15, 20, 27)`. */
function luminance(color: string): number {
  const [red, green, blue] = color.match(/\d+/g)!.map((channel) => {
    const part = Number(channel) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
}

/** Opens a page from disk, as its readers do. */
async function open(content: string): Promise<void> {
  const file = join(folder, 'report.html')
  await writeFile(file, content)
  await page.goto(pathToFileURL(file).href)
}

/** The box of an element that must be there. */
const box = async (selector: string) => (await page.locator(selector).boundingBox())!

test.each(Object.entries({ lostUpdate, deadlock, hostile, exhausted, nondeterministic, held: held({ kind: 'complete' }) }))(
  'the page of %s loads without a complaint, and hostile text stays text',
  async (_name, facts) => {
    await open(renderExploreHtml(facts))
    expect(await page.locator('h1').innerText()).not.toBe('')
    expect(await page.locator('img').count()).toBe(0)
    expect(await page.locator('body.ready').count()).toBe(1)
  },
)

test('a lock wait is a bar in the waiter’s lane from the step that waits to the one that wakes it', async () => {
  await open(renderExploreHtml(lostUpdate))
  const [waiting, bar, woke, commit] = [await box('[data-step="4"]'), await box('.bar'), await box('.woke'), await box('[data-step="5"]')]
  expect(Math.abs(bar.x - waiting.x)).toBeLessThan(2)
  expect(Math.abs(bar.width - waiting.width)).toBeLessThan(2)
  expect(Math.abs(bar.y - (waiting.y + waiting.height))).toBeLessThan(3)
  expect(Math.abs(bar.y + bar.height - woke.y)).toBeLessThan(3)
  // What lets it go stands beside the bar, in the other lane.
  expect(commit.x).toBeGreaterThan(bar.x + bar.width)
  expect(commit.y).toBeGreaterThanOrEqual(bar.y - 3)
})

test('works by keyboard: Tab reaches the steps, arrows move among them, Enter goes into the details and Escape back', async () => {
  await open(renderExploreHtml(lostUpdate))
  for (let presses = 0; (await focusedStep()) !== '1'; presses++) {
    expect(presses).toBeLessThan(10)
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('ArrowDown')
  expect(await focusedStep()).toBe('2')
  await page.keyboard.press('End')
  expect(await focusedStep()).toBe('6')
  await page.keyboard.press('Home')
  await page.keyboard.press('Tab')
  expect(await focusedStep()).toBe('2')
  await expect.poll(() => detail(2).isVisible()).toBe(true)
  expect(await detail(2).innerText()).toContain('LIMIT $2 OFFSET $3')
  expect(await detail(1).isVisible()).toBe(false)
  await page.keyboard.press('Enter')
  expect(await page.evaluate('document.activeElement.id')).toBe('details')
  await page.keyboard.press('Escape')
  expect(await focusedStep()).toBe('2')
})

test('hovering shows a step, and leaving shows the chosen one again', async () => {
  await open(renderExploreHtml(lostUpdate))
  expect(await detail(1).isVisible()).toBe(true)
  await step(3).hover()
  expect(await detail(3).isVisible()).toBe(true)
  await page.mouse.move(0, 0)
  expect(await detail(1).isVisible()).toBe(true)
})

test('on a phone nothing sticks out, and a tap opens the details', async () => {
  await page.setViewportSize({ width: 360, height: 700 })
  for (const facts of [lostUpdate, deadlock, hostile]) {
    await open(renderExploreHtml(facts))
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
  }
  await open(renderExploreHtml(lostUpdate))
  expect(await detail(4).isVisible()).toBe(false)
  await step(4).click()
  await expect.poll(() => detail(4).isVisible()).toBe(true)
  await page.getByRole('button', { name: 'Close' }).click()
  await expect.poll(() => detail(4).isVisible()).toBe(false)
})

test('is light or dark as the system is, with enough contrast in both', async () => {
  const brightness: number[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await open(renderExploreHtml(lostUpdate))
    const text = luminance(await page.evaluate<string>('getComputedStyle(document.body).color'))
    const paper = luminance(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'))
    brightness.push(paper)
    expect((Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05)).toBeGreaterThan(7)
  }
  expect(brightness[0]).toBeGreaterThan(brightness[1]!)
})

test('the token is copied, or selected where the page may not', async () => {
  await open(renderExploreHtml(lostUpdate))
  const button = page.getByRole('button', { name: 'Copy: Token' })
  await button.click()
  await expect.poll(() => button.innerText()).toMatch(/Copied|Selected/)
  expect(await page.locator('#token').innerText()).toBe(TOKEN)
})

test('without scripts every statement is there to read', async () => {
  await open(renderExploreHtml(lostUpdate).replace(/<script>.*<\/script>/s, ''))
  for (const number of [1, 2, 3, 4, 5, 6]) expect(await detail(number).isVisible()).toBe(true)
})
