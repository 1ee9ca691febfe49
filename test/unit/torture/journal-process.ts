// Writes intents until it is killed, several at a time, and says of each when it is on disk. Run by journal.test.ts.
import { Journal } from '../../../torture/journal.js'
import { idsOf } from '../../../torture/movement.js'

const journal = await Journal.open(process.argv[2]!, 'killed')
const ids = idsOf(0)

async function writeForEver(): Promise<never> {
  for (const id of ids) {
    await journal.intend({ id, kind: 'credit', userId: 1 })
    process.stdout.write(`${id}\n`)
  }
  throw new Error('The ids have run out.')
}

await Promise.all(Array.from({ length: 8 }, writeForEver))
