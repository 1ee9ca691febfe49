// A process that holds whatever it is told to, each with an effect, until it is killed.
import { credit } from 'rowlock/repositories'
import { serveCommands } from '../../test/support/lockers/serve-commands.js'
import { BEFORE, effectOf, type HoldRequest, holdOf, type ManyHolderCommands, type ManyHolderInput } from './hold-request.js'
import { connectTools, type Holding } from './kinds.js'

const { mode, ...options } = JSON.parse(process.argv[4]!) as ManyHolderInput
const tools = connectTools(options)
const signals = new Map<string, AbortSignal>()
await tools.prisma.$queryRaw`SELECT 1`

serveCommands({
  hold(request) {
    const { kind, userId } = JSON.parse(request) as HoldRequest
    return new Promise((isHeld, failed) => {
      const pause = (held?: Holding) => {
        if (held?.signal) signals.set(request, held.signal)
        isHeld(held?.token)
        return new Promise<never>(() => undefined)
      }
      const run = async () => {
        await credit(tools.prisma, { userId, amount: BEFORE, idempotencyKey: `before ${userId}` }, { coupons: [] })
        await holdOf(kind, mode)(tools, userId, { effect: effectOf(userId, mode), pause })
      }
      run().catch(failed)
    })
  },
  hasLost: async (request) => signals.get(request)?.aborted ?? false,
} satisfies ManyHolderCommands)
