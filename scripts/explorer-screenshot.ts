/**
 * Draws docs/explorer-report.png from a real exploration: a withdrawal that locks its wallet against one
 * that does not. Run it with `npx tsx scripts/explorer-screenshot.ts`; it needs an installed Chromium.
 */
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { naiveWithdraw } from '../examples/naive/wallet.js'
import { PrismaClient } from '../src/generated/prisma/client.js'
import { rowLocks } from '../src/index.js'
import { withdraw } from '../src/repositories.js'
import { explore } from '../src/testing.js'
import { findChromium, startChromium } from '../test/support/browser.js'

const WIDTH = 1280
const page = process.argv[2]
const target = fileURLToPath(new URL('../docs/explorer-report.png', import.meta.url))

const report = await explore({
  client: (adapter) => new PrismaClient({ adapter }).$extends(rowLocks()),
  setup: (prisma) => {
    const entries = { create: { kind: 'CREDIT' as const, amount: 100, balance: 100 } }
    return prisma.user.create({ data: { id: 1, name: 'Ada', wallet: { create: { balance: 100, entries } } } })
  },
  actors: {
    withdraw: (prisma) => withdraw(prisma, { userId: 1, amount: 30 }),
    naiveWithdraw: (prisma) => naiveWithdraw(prisma as unknown as PrismaClient, { userId: 1, amount: 10 }),
  },
  invariant: async (prisma) => {
    const wallet = await prisma.wallet.findUniqueOrThrow({ where: { userId: 1 }, include: { entries: true } })
    const expected = wallet.entries.reduce((sum, { amount }) => sum + amount.toNumber(), 0)
    const actual = wallet.balance.toNumber()
    if (expected !== actual) throw Object.assign(new Error('The balance is not the sum of the ledger.'), { expected, actual })
  },
})

if (report.verdict !== 'violated') throw new Error(`The naive withdrawal should break the invariant:\n${report.text()}`)
console.log(report.text())
if (page !== undefined) await writeFile(page, report.html())
await draw(report.html())

async function draw(html: string): Promise<void> {
  const chromium = findChromium()
  if (chromium === undefined) throw new Error('No Chromium is installed; say where one is with CHROMIUM_PATH.')
  const browser = await startChromium(chromium)
  try {
    const tab = await browser.newPage()
    await tab.setViewportSize({ width: WIDTH, height: 900 })
    await tab.setContent(html)
    const end = await tab.locator('.run').boundingBox()
    await tab.screenshot({ path: target, fullPage: true, clip: { x: 0, y: 0, width: WIDTH, height: Math.ceil(end!.y + end!.height + 12) } })
  } finally {
    await browser.close()
  }
}
