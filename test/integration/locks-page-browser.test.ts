import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type LockPage, serveLocks } from '../../src/cli/locks-server.js'
import type { LockTree } from '../../src/monitor/lock-tree-types.js'
import { findChromium, openWatchedPage, startChromium } from '../support/browser.js'
import { createClient, type TestClient } from '../support/client.js'
import { useDatabase, waitUntilSessionsBlocked } from '../support/database.js'
import { held } from '../support/held.js'
import { readBlocked } from '../support/read-blocked.js'
import { busy, circle, queue, session, tree, waitFor } from '../unit/report/lock-trees.js'

const NO_CHROMIUM = 'Skipped: no Chromium is installed here to open the live page with; say where one is with CHROMIUM_PATH.'
/** The page is a second behind at most. */
const SOON = { timeout: 8_000 }

const database = useDatabase()
const chromium = findChromium()
let browser: Browser | undefined
let page: Page
let served: LockPage
let end: AbortController
/** What the page is told; a test puts its own in place. */
let read: () => Promise<LockTree>
let complaints: string[]

beforeAll(async () => {
  if (chromium !== undefined) browser = await startChromium(chromium)
  // The reporter counts skipped tests and keeps their reason to itself.
  else console.warn(NO_CHROMIUM)
})

afterAll(() => browser?.close())

beforeEach(async (context) => {
  context.skip(browser === undefined, NO_CHROMIUM)
  ;({ page, complaints } = await openWatchedPage(browser!, (request) => request.url() === served.url))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog ${dialog.message()}`)
    void dialog.dismiss()
  })
  end = new AbortController()
  read = async () => tree([])
  served = await serveLocks({ read: () => read(), signal: end.signal, database: 'shop' })
})

afterEach(async () => {
  if (browser === undefined) return
  await page.close()
  end.abort()
  await served.ended
  expect(complaints).toEqual([])
})

const show = (shown: LockTree) => void (read = async () => shown)
const open = () => page.goto(served.url)
const headline = () => page.locator('h1').innerText()
const card = (pid: number) => page.locator(`#session-${pid} > .session`)
const widthOf = async (pid: number) => (await card(pid).locator('.bar rect').boundingBox())!.width

test('shows who waits as soon as somebody does, and that nobody does as soon as it is over, without being loaded again', async () => {
  await open()
  expect(await headline()).toBe('Nobody waits for a lock')
  expect(await page.title()).toBe('rowlock locks')
  show(busy)
  await expect.poll(headline, SOON).toBe('4 sessions wait, the longest for 41.0 s')
  expect(await page.title()).toBe('(4) rowlock locks')
  expect(await card(4722).innerText()).toContain('waits 9.1 s for Wallet id = 7')
  show(tree([]))
  await expect.poll(headline, SOON).toBe('Nobody waits for a lock')
  expect(await card(4722).count()).toBe(0)
})

test('waiters are indented below the one they wait for, and the bars are as long as the waits', async () => {
  show(busy)
  await open()
  const [holder, first, second, third] = await Promise.all([4711, 4720, 4722, 4725].map(async (pid) => (await card(pid).boundingBox())!))
  expect(first!.x).toBeGreaterThan(holder!.x)
  expect(second!.x).toBeGreaterThan(first!.x)
  expect(third!.x).toBe(second!.x)
  expect([holder, first, second, third].map((box) => box!.y)).toEqual(
    [holder, first, second, third].map((box) => box!.y).sort((a, b) => a - b),
  )
  const track = (await card(4720).locator('.bar').boundingBox())!.width
  expect((await widthOf(4720)) / track).toBeCloseTo(14.2 / 41, 1)
  expect((await widthOf(4725)) / track).toBeCloseTo(3.05 / 41, 1)
})

test('what is unfolded, focused and selected stays so while the waits grow and others come and go', async () => {
  let seconds = 0
  const growing = () => {
    seconds++
    const waiter = session(2, { label: 'credit', wait: waitFor(seconds * 1_000) })
    const others = seconds % 2 === 0 ? [session(9, { waiters: [session(8, { wait: waitFor(99_000) })] })] : []
    return tree([...others, session(1, { label: 'checkout', waiters: [waiter] })])
  }
  read = async () => growing()
  await open()
  await card(2).locator('summary').click()
  await page.evaluate(`getSelection().selectAllChildren(document.querySelector('#session-2 pre'))`)
  const selected = await page.evaluate<string>('String(getSelection())')
  expect(selected).toContain('FOR NO KEY UPDATE')
  const before = await card(2).locator('.wait b').innerText()
  await expect.poll(() => page.locator('#session-9').count(), SOON).toBe(1)
  await expect.poll(() => page.locator('#session-9').count(), SOON).toBe(0)
  expect(await card(2).locator('.wait b').innerText()).not.toBe(before)
  expect(await card(2).locator('details[open]').count()).toBe(1)
  expect(await page.evaluate<string>('String(getSelection())')).toBe(selected)
  expect(await page.evaluate<string>(`document.activeElement.closest('li')?.id`)).toBe('session-2')
  // The other session is folded, as the reader has left it.
  expect(await page.locator('details[open]').count()).toBe(1)
})

test('a page that is opened later has the history, too', async () => {
  await open()
  show(busy)
  const bars = (of: Page) => of.locator('.chart.number rect').count()
  await expect.poll(() => bars(page), SOON).toBeGreaterThanOrEqual(3)
  const known = await bars(page)
  const later = await browser!.newPage()
  await later.goto(served.url)
  expect(await bars(later)).toBeGreaterThanOrEqual(known)
  await later.close()
})

test('says that it is not live when rowlock is gone, what is shown is old then, and is live again when rowlock is', async () => {
  show(busy)
  await open()
  await card(4720).waitFor()
  const lost = page.locator('#lost')
  expect(await lost.isVisible()).toBe(false)
  const { port } = new URL(served.url)
  end.abort()
  await served.ended
  await expect.poll(() => lost.isVisible(), SOON).toBe(true)
  expect(await lost.innerText()).toContain('Not live: rowlock does not answer.')
  expect(await page.title()).toBe('⚠ not live · rowlock locks')
  expect(await page.evaluate<string>(`getComputedStyle(document.querySelector('main')).opacity`)).toBe('0.5')
  expect(await card(4720).isVisible()).toBe(true)
  end = new AbortController()
  served = await serveLocks({ read: async () => circle(), port: Number(port), signal: end.signal })
  await expect.poll(() => lost.isVisible(), SOON).toBe(false)
  expect(await headline()).toBe('2 sessions wait, the longest for 700 ms')
  // Chromium itself tells of every request that found nobody.
  complaints = complaints.filter((text) => !text.includes('net::ERR_CONNECTION_REFUSED'))
})

test('says why when the database cannot be read, and goes on when it can', async () => {
  await open()
  read = () => Promise.reject(new Error('connect ECONNREFUSED 10.0.0.7:5432'))
  const alarm = page.locator('#view .alarm')
  await expect.poll(() => alarm.isVisible(), SOON).toBe(true)
  expect(await alarm.innerText()).toContain('connect ECONNREFUSED 10.0.0.7:5432')
  show(busy)
  await expect.poll(() => alarm.isVisible(), SOON).toBe(false)
  expect(await headline()).toContain('4 sessions wait')
})

test('hostile labels, names, statements and keys stay text, in the first page and in what is replaced', async () => {
  const evil = '<img src=x onerror=alert(1)></script><script>alert(2)</script>'
  const names = { label: evil, applicationName: evil, user: evil, state: evil, query: evil }
  const wait = waitFor(5_000, { target: { kind: 'row', schema: evil, table: evil, model: evil, key: { [evil]: evil } } })
  const hostile = tree(
    [session(1, { ...names, waiters: [session(2, { ...names, wait })] })],
    [{ at: new Date(0), label: evil, model: evil, key: evil, detail: evil }],
  )
  await open()
  show(hostile)
  await expect.poll(() => card(2).isVisible(), SOON).toBe(true)
  await page.reload()
  expect(await card(2).locator('.who b').innerText()).toBe(evil)
  expect(await page.locator('img').count()).toBe(0)
  expect(await page.locator('script').count()).toBe(1)
})

test('the policy holds: what got in as markup after all does nothing', async () => {
  await open()
  await page.evaluate(
    `document.getElementById('view').innerHTML = '<img src="http://127.0.0.1:1/x" onerror="alert(1)"><b style="color: red">x</b>'`,
  )
  await expect.poll(() => complaints.filter((text) => /Content Security Policy/.test(text)).length).toBeGreaterThanOrEqual(2)
  expect(complaints.filter((text) => text.startsWith('dialog'))).toEqual([])
  complaints = []
})

test('on a phone nothing sticks out, however deep the tree and long the names', async () => {
  await page.setViewportSize({ width: 360, height: 700 })
  const chain = Array.from({ length: 30 }, (_, index) => index).reduceRight(
    (below, index) => [session(index + 1, { label: 'x'.repeat(60), waiters: below, ...(index > 0 && { wait: waitFor(5_000) }) })],
    [] as ReturnType<typeof session>[],
  )
  for (const shown of [busy, circle(), queue(12), tree(chain)]) {
    show(shown)
    await expect.poll(async () => (await open(), page.locator('.waiter').count()), SOON).toBe(countWaiters(shown))
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
  }
})

test('is light or dark as the system is', async () => {
  show(busy)
  const papers: string[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await open()
    papers.push(await page.evaluate<string>('getComputedStyle(document.body).backgroundColor'))
  }
  expect(papers).toEqual(['rgb(246, 247, 249)', 'rgb(15, 20, 27)'])
})

test('without scripts the page is there, and is loaded again and again', async () => {
  const context = await browser!.newContext({ javaScriptEnabled: false })
  const plain = await context.newPage()
  await plain.goto(served.url)
  expect(await plain.locator('h1').innerText()).toBe('Nobody waits for a lock')
  show(busy)
  await expect.poll(() => plain.locator('h1').innerText(), SOON).toBe('4 sessions wait, the longest for 41.0 s')
  await context.close()
})

test('two transactions that want one row of a real PostgreSQL are on the page until the first one ends', async () => {
  const { prisma } = createClient(database, { poolSize: 2 })
  await prisma.user.create({ data: { id: 1, name: 'Ada', wallet: { create: { id: 7, balance: 100 } } } })
  read = () => readBlocked(database.sql)
  await open()
  expect(await headline()).toBe('Nobody waits for a lock')
  const lockWallet = (tx: Pick<TestClient, 'wallet'>) => tx.wallet.findUniqueOrThrow({ where: { id: 7 }, lock: 'forNoKeyUpdate' })
  const first = await held(prisma, lockWallet)
  const second = held(prisma, lockWallet)
  const [blocked] = await waitUntilSessionsBlocked(database.sql, 1)
  await expect.poll(headline, SOON).toMatch(/^1 session waits for \d/)
  expect(await card(first.pid).innerText()).toContain('idle in transaction')
  expect(await page.locator(`#session-${first.pid} #session-${blocked!.pid}`).innerText()).toContain('SELECT Wallet WHERE id = $1')
  await first.rollback()
  await (await second).rollback()
  await expect.poll(headline, SOON).toBe('Nobody waits for a lock')
})

function countWaiters({ roots }: LockTree): number {
  const pids = new Set<number>()
  const visit = (sessions: LockTree['roots']) => {
    for (const { pid, waiters } of sessions) {
      if (pids.has(pid)) continue
      pids.add(pid)
      visit(waiters)
    }
  }
  visit(roots)
  return pids.size - roots.length
}
