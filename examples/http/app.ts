import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { type RequestIdVariables, requestId } from 'hono/request-id'
import { readIdempotencyKey } from './idempotency-key.js'
import type { Operations } from './operations.js'
import { type Problem, ProblemError, toProblem, toResponse } from './problem.js'
import { FIELDS, MAX_BODY, parseId, readBody, TOO_LARGE } from './request-body.js'

/** What the routes need of the process around them. */
export interface AppOptions {
  readonly operations: Operations
  readonly findBalance: (userId: number) => Promise<string | undefined>
  /** Fails when the database does not answer. */
  readonly ping: () => Promise<unknown>
  /** True once the process is about to stop. */
  readonly isStopping: () => boolean
  /** Told of every failure that is not the client's, with the id that the client has. */
  readonly onFailure: (requestId: string, error: unknown) => void
  /** What `GET /` answers: how to use this service. */
  readonly guide: string
}

export function createApp({ operations, findBalance, ping, isStopping, onFailure, guide }: AppOptions) {
  const app = new Hono<{ Variables: RequestIdVariables }>()

  app.use(requestId())
  app.use(async (c, next) => {
    await next()
    // A connection that is kept alive would go on sending requests, and the server never close.
    if (isStopping()) c.header('Connection', 'close')
  })
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (_, allowed) => refuseMethod(allowed) }))
  app.use(bodyLimit({ maxSize: MAX_BODY, onError: () => toResponse(TOO_LARGE) }))

  app.get('/', (c) => c.text(guide))

  app.get('/health', async (c) => {
    const isReady =
      !isStopping() &&
      (await ping().then(
        () => true,
        () => false,
      ))
    return isReady ? c.json({ status: 'ok' }) : toResponse(NOT_READY)
  })

  app.get('/wallet/:userId', async (c) => {
    const userId = parseId(Number(c.req.param('userId')), 'userId')
    const balance = await findBalance(userId)
    if (balance === undefined) throw new ProblemError({ status: 404, code: 'WALLET_NOT_FOUND', detail: `User ${userId} has no wallet.` })
    return c.json({ userId, balance })
  })

  // Once a day whatever is sent again, and so without a key. A real service takes the user from its session.
  app.post('/api/sign', async (c) => {
    const { userId } = await readBody(c)
    return c.json(await operations.signIn({ userId }))
  })

  app.post('/wallet/credit', async (c) => {
    const idempotencyKey = readIdempotencyKey(c)
    const { userId, amount } = await readBody(c)
    return c.json(await operations.credit({ userId: parseId(userId, 'userId'), amount, idempotencyKey }))
  })

  app.post('/wallet/withdraw', async (c) => {
    const idempotencyKey = readIdempotencyKey(c)
    const { userId, amount } = await readBody(c)
    return c.json(await operations.withdraw({ userId: parseId(userId, 'userId'), amount, idempotencyKey }))
  })

  app.post('/tickets/buy', async (c) => {
    const idempotencyKey = readIdempotencyKey(c)
    const { userId, eventId } = await readBody(c)
    return c.json(await operations.buyTicket({ userId: parseId(userId, 'userId'), eventId: parseId(eventId, 'eventId'), idempotencyKey }))
  })

  app.notFound(() => toResponse({ status: 404, code: 'NO_SUCH_ROUTE', detail: 'There is nothing here; GET / says what there is.' }))

  app.onError((error, c) => {
    const problem = toProblem(error, FIELDS)
    const id = c.get('requestId')
    if (problem.status >= 500) onFailure(id, error)
    const response = toResponse(problem.status >= 500 ? { ...problem, requestId: id } : problem)
    response.headers.set('X-Request-Id', id)
    if (isAboutKeys(problem)) response.headers.set('Link', '</>; rel="describedby"; type="text/plain"')
    return response
  })

  return app
}

const NOT_READY: Problem = { status: 503, code: 'NOT_READY', detail: 'The database does not answer, or this process is about to stop.' }

function refuseMethod(allowed: readonly string[]): Response {
  const methods = allowed.join(', ')
  const response = toResponse({ status: 405, code: 'METHOD_NOT_ALLOWED', detail: `This takes ${methods}.` })
  response.headers.set('Allow', methods)
  return response
}

/** The draft wants a link to what a key must be like. */
const isAboutKeys = ({ code }: Problem) => code.startsWith('IDEMPOTENCY')
