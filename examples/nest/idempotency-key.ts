import { createParamDecorator, type ExecutionContext } from '@nestjs/common'
import { parseIdempotencyKey } from '../http/idempotency-key.js'

interface WithHeaders {
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** A handler's parameter: the request's `Idempotency-Key`, without which it is a 400. */
export const IdempotencyKey = createParamDecorator((_data: undefined, context: ExecutionContext) =>
  parseIdempotencyKey(context.switchToHttp().getRequest<WithHeaders>().headers['idempotency-key']),
)
