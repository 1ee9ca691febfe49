import { InvalidOptionError, LockTimeoutError, type RowLockErrorCode } from 'rowlock'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { toProblem, toResponse } from '../../examples/http/problem.js'
import { useDatabase } from '../support/database.js'
import { startTestService, type TestService } from '../support/examples/http-service.js'
import { balanceOf, createEvent, createUser, createWallet, createWorld, entriesOf, type World } from '../support/repositories/world.js'

const database = useDatabase()
let world: World
let service: TestService
beforeAll(async () => {
  world = createWorld(database)
  service = await startTestService(database)
})
afterAll(() => service.stop())

const bodyOf = async (response: Promise<Response>) => {
  const { status, headers } = await response
  return { status, type: headers.get('Content-Type'), body: (await (await response).json()) as Record<string, unknown> }
}

const problem = (status: number, code: string, fields: object = {}) => ({
  status,
  type: 'application/problem+json',
  body: { status, code, detail: expect.any(String) as string, ...fields },
})

describe('what is done', () => {
  test('is a 200 with amounts as text', async () => {
    const userId = await createUser(world)
    const eventId = await createEvent(world, { remaining: 1 })
    const done = (body: object) => ({ status: 200, type: 'application/json', body })
    const [credited, withdrawn, bought, signed] = [
      await bodyOf(service.post('/wallet/credit', { userId, amount: '300' }, 'a')),
      await bodyOf(service.post('/wallet/withdraw', { userId, amount: '19.99' }, 'a')),
      await bodyOf(service.post('/tickets/buy', { userId, eventId }, 'a')),
      await bodyOf(service.post('/api/sign', { userId })),
    ]
    expect(credited).toEqual(
      done({ entryId: expect.stringMatching(/^\d+$/) as string, amount: '300.00', balance: '300.00', coupon: '20.00' }),
    )
    expect(withdrawn).toEqual(done({ entryId: expect.stringMatching(/^\d+$/) as string, amount: '-19.99', balance: '280.01' }))
    expect(bought).toEqual(done({ ticketId: expect.any(Number) as number, eventId, soldAt: expect.any(String) as string }))
    expect(signed).toMatchObject(done({ remaining: 25 }))
    expect(await bodyOf(service.get(`/wallet/${userId}`))).toEqual(done({ userId, balance: '280.01' }))
    expect(await bodyOf(service.get('/health'))).toEqual(done({ status: 'ok' }))
    expect(await (await service.get('/')).text()).toContain('POST /wallet/withdraw')
  })
})

describe('what is refused', () => {
  test('is a 409 when it is not possible as things stand', async () => {
    const { userId } = await createWallet(world, 10)
    const eventId = await createEvent(world, { remaining: 0 })
    await service.post('/api/sign', { userId })
    expect(await bodyOf(service.post('/wallet/withdraw', { userId, amount: '10.01' }, 'b'))).toEqual(
      problem(409, 'INSUFFICIENT_BALANCE', { balance: '10.00' }),
    )
    expect(await bodyOf(service.post('/tickets/buy', { userId, eventId }, 'b'))).toEqual(problem(409, 'SOLD_OUT'))
    expect(await bodyOf(service.post('/api/sign', { userId }))).toEqual(
      problem(409, 'ALREADY_SIGNED_IN', { nextDayStartsAt: expect.stringMatching(/T08:00:00.000Z$/) as string }),
    )
    expect(await balanceOf(world, userId)).toBe(10)
  })

  test('is a 404 when there is no such user, wallet, event or route', async () => {
    const userId = await createUser(world)
    expect(await bodyOf(service.post('/api/sign', { userId: 999_999 }))).toEqual(problem(404, 'USER_NOT_FOUND'))
    expect(await bodyOf(service.post('/wallet/credit', { userId: 999_999, amount: 1 }, 'c'))).toEqual(problem(404, 'USER_NOT_FOUND'))
    expect(await bodyOf(service.post('/wallet/withdraw', { userId, amount: 1 }, 'c'))).toEqual(problem(404, 'WALLET_NOT_FOUND'))
    expect(await bodyOf(service.get(`/wallet/${userId}`))).toEqual(problem(404, 'WALLET_NOT_FOUND'))
    expect(await bodyOf(service.post('/tickets/buy', { userId, eventId: 999_999 }, 'c'))).toEqual(problem(404, 'EVENT_NOT_FOUND'))
    expect(await bodyOf(service.get('/nowhere'))).toEqual(problem(404, 'NO_SUCH_ROUTE'))
  })

  test('is a 405 that says what is allowed', async () => {
    expect(await bodyOf(service.get('/tickets/buy'))).toEqual(problem(405, 'METHOD_NOT_ALLOWED'))
    expect((await service.get('/tickets/buy')).headers.get('Allow')).toBe('POST')
  })

  test.each([
    ['/wallet/withdraw', { userId: '1', amount: 1 }, 'userId'],
    ['/wallet/withdraw', { userId: 2 ** 31, amount: 1 }, 'userId'],
    ['/wallet/withdraw', { amount: 1 }, 'userId'],
    ['/wallet/withdraw', { userId: 1, amount: 0.1 }, 'amount'],
    ['/wallet/withdraw', { userId: 1, amount: '-5' }, 'amount'],
    ['/wallet/withdraw', { userId: 1, amount: { toFixed: '5' } }, 'amount'],
    ['/wallet/credit', '{"userId":1,"amount":1e400}', 'amount'],
    ['/tickets/buy', { userId: 1, eventId: [1] }, 'eventId'],
    ['/api/sign', { userId: null }, 'userId'],
  ])('is a 400 that names the argument: %s %j', async (path, body, argument) => {
    expect(await bodyOf(service.post(path, body, 'd'))).toEqual(problem(400, 'INVALID_ARGUMENT', { argument }))
  })

  test.each([
    ['no JSON', 400, 'INVALID_BODY', '{'],
    ['nothing', 400, 'INVALID_BODY', ''],
    ['an array', 400, 'INVALID_BODY', '[]'],
    ['null', 400, 'INVALID_BODY', 'null'],
    ['too large', 413, 'BODY_TOO_LARGE', JSON.stringify({ userId: 1, padding: 'x'.repeat(4_096) })],
  ])('is a body that is %s: %i', async (_, status, code, body) => {
    expect(await bodyOf(service.post('/api/sign', body))).toEqual(problem(status, code))
  })

  test('is a body that does not say to be JSON, as forms of other sites send it', async () => {
    const response = fetch(`${service.url}/api/sign`, { method: 'POST', body: '{"userId":1}' })
    expect(await bodyOf(response)).toEqual(problem(415, 'NOT_JSON'))
  })

  test('is a body without a length as soon as it is too large', async () => {
    const body = new Blob([`{"userId":1,"padding":"${'x'.repeat(10_000)}"}`]).stream()
    const headers = { 'Content-Type': 'application/json' }
    const response = fetch(`${service.url}/api/sign`, { method: 'POST', body, headers, duplex: 'half' })
    expect(await bodyOf(response)).toEqual(problem(413, 'BODY_TOO_LARGE'))
  })

  test('is what a client has no say in: another time to sign in', async () => {
    const userId = await createUser(world)
    const { body } = await bodyOf(service.post('/api/sign', { userId, now: '2001-01-01T12:00:00Z' }))
    expect(body['day']).not.toBe('2001-01-01')
  })

  test('is never the fault of the client when it is not', () => {
    const mistake = new InvalidOptionError('coupons', 7, 'an array')
    expect(toProblem(mistake, ['userId'])).toMatchObject({ status: 500, code: 'INTERNAL' })
    expect(JSON.stringify(toProblem(new Error('relation "Wallet" does not exist'), []))).not.toContain('Wallet')
  })
})

describe('the Idempotency-Key', () => {
  test.each(['/wallet/credit', '/wallet/withdraw', '/tickets/buy'])('is required by %s, with a link to what it must be', async (path) => {
    const response = await service.post(path, { userId: 1, amount: 1, eventId: 1 })
    expect(response.headers.get('Link')).toBe('</>; rel="describedby"; type="text/plain"')
    expect(await bodyOf(Promise.resolve(response))).toEqual(problem(400, 'IDEMPOTENCY_KEY_MISSING'))
  })

  test.each(['', '""', '"a', '"a" , "b"', 'a b', `"${'x'.repeat(129)}"`, '"ключ"', '?1;a'].map((header) => [header]))(
    'is refused as %j',
    async (header) => {
      const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': Buffer.from(header).toString('latin1') }
      const response = fetch(`${service.url}/wallet/credit`, { method: 'POST', headers, body: '{"userId":1,"amount":1}' })
      expect((await response).status).toBe(400)
      expect((await bodyOf(response)).body['code']).toMatch(/^IDEMPOTENCY_KEY_(INVALID|MISSING)$/)
    },
  )

  test('gives the same answer again, with quotes and without', async () => {
    const { userId } = await createWallet(world, 100)
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': 'again-1' }
    const body = JSON.stringify({ userId, amount: '5' })
    const first = await bodyOf(service.post('/wallet/withdraw', { userId, amount: '5' }, 'again-1'))
    const second = await bodyOf(fetch(`${service.url}/wallet/withdraw`, { method: 'POST', headers, body }))
    expect(first).toMatchObject({ status: 200, body: { balance: '95.00' } })
    expect(second).toEqual(first)
  })

  test('is a 422 with another payload, and nothing is done', async () => {
    const { userId } = await createWallet(world, 100)
    const [one, two] = [await createEvent(world, { remaining: 5 }), await createEvent(world, { remaining: 5 })]
    await service.post('/wallet/withdraw', { userId, amount: '5' }, 'reused')
    await service.post('/tickets/buy', { userId, eventId: one }, 'reused')
    for (const [path, body] of [
      ['/wallet/withdraw', { userId, amount: '6' }],
      ['/tickets/buy', { userId, eventId: two }],
    ] as const) {
      const response = await service.post(path, body, 'reused')
      expect(response.headers.get('Link')).toContain('describedby')
      expect(await bodyOf(Promise.resolve(response))).toEqual(problem(422, 'IDEMPOTENCY_CONFLICT'))
    }
    expect(await balanceOf(world, userId)).toBe(95)
  })

  test("is its user's own: the same one of somebody else is another key", async () => {
    const [one, two] = [await createUser(world), await createUser(world)]
    const responses = await Promise.all([one, two].map((userId) => service.post('/wallet/credit', { userId, amount: '7' }, 'shared')))
    expect(responses.map(({ status }) => status)).toEqual([200, 200])
    expect([await balanceOf(world, one), await balanceOf(world, two)]).toEqual([7, 7])
  })

  test('is free again after a refusal: what is refused today may be possible tomorrow', async () => {
    const { userId } = await createWallet(world, 1)
    expect((await service.post('/wallet/withdraw', { userId, amount: '5' }, 'later')).status).toBe(409)
    expect((await service.post('/wallet/credit', { userId, amount: '9' }, 'now')).status).toBe(200)
    expect((await service.post('/wallet/withdraw', { userId, amount: '5' }, 'later')).status).toBe(200)
    expect(await entriesOf(world, userId)).toHaveLength(3)
  })
})

test('every code that may be sent again says when, and names nothing of the database', () => {
  const codes: RowLockErrorCode[] = ['CONNECTION_LOST', 'DEADLOCK', 'LOCK_TIMEOUT', 'POOL_TIMEOUT', 'RETRY_EXHAUSTED', 'AMBIGUOUS_COMMIT']
  for (const code of codes) {
    const error = Object.assign(new LockTimeoutError('The lock of a row of Wallet was not granted in time.'), { code })
    const response = toResponse(toProblem(error, []))
    expect([response.status, response.headers.get('Retry-After')], code).toEqual([503, '1'])
    expect(toProblem(error, []).detail, code).not.toContain('Wallet')
  }
})
