// A process that takes a lock, says so, and holds it until it is killed.
import { type Holding, PROCESS_LOCKERS } from './pool-actors.js'

const [holding, url, key] = process.argv.slice(2) as [Holding, string, string]
await PROCESS_LOCKERS[holding](url).locker.acquire(key)
process.send!('held')
