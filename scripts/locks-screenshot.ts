/**
 * Draws docs/locks-page.png: a transaction that was left open, and the queue behind it. Run it with
 * `npx tsx scripts/locks-screenshot.ts`; it needs an installed Chromium.
 */
import { fileURLToPath } from 'node:url'
import { renderLockPage } from '../src/report/lock-tree-html.js'
import { findChromium, startChromium } from '../test/support/browser.js'
import { busy, minute, view } from '../test/unit/report/lock-trees.js'

const target = fileURLToPath(new URL('../docs/locks-page.png', import.meta.url))
const chromium = findChromium()
if (chromium === undefined) throw new Error('No Chromium is installed; say where one is with CHROMIUM_PATH.')

const [checkout] = busy.roots
// Of the tree: its first wait began 14.2 seconds ago, the second 9.1, the third 3.
const began = [14.2, 9.1, 3]
const history = minute.map(({ secondsAgo }) => ({
  secondsAgo,
  waiters: began.filter((ago) => ago > secondsAgo).length,
  longestWait: Math.max(0, began[0]! - secondsAgo) * 1_000,
}))
const shown = view({ database: 'shop on db.internal:5432', tree: { ...busy, roots: [checkout!] }, history })

const browser = await startChromium(chromium)
try {
  const tab = await browser.newPage({ viewport: { width: 1060, height: 600 } })
  await tab.setContent(renderLockPage(shown))
  await tab.screenshot({ path: target, fullPage: true })
} finally {
  await browser.close()
}
