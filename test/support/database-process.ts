// A program that starts a database, prints its URL and then ends in the way that it is told to;
// never by stopping the database. Run by database.test.ts.
import { startDatabase } from '../../src/harness/database.js'

const [ending] = process.argv.slice(2)
const { url } = await startDatabase()

process.stdout.write(`${url}\n`, () => {
  if (ending === 'exit') process.exit(3)
  if (ending === 'throw') throw new Error('nobody catches this')
  // Held open by nothing but a timer: the database itself must not keep a program alive.
  if (ending === 'wait') setInterval(() => {}, 60_000)
})
