import { randomUUID } from 'node:crypto'
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject, Logger } from '@nestjs/common'
import { HttpAdapterHost } from '@nestjs/core'
import { type Problem, toProblem, toResponse } from '../http/problem.js'
import { FIELDS } from '../http/request-body.js'

/** Answers every error with the problem details of `examples/http`; those of Nest with the status that they have. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #host: HttpAdapterHost
  readonly #logger = new Logger(ProblemFilter.name)

  constructor(@Inject(HttpAdapterHost) host: HttpAdapterHost) {
    this.#host = host
  }

  async catch(error: unknown, context: ArgumentsHost): Promise<void> {
    const problem = error instanceof HttpException ? ofNest(error) : toProblem(error, FIELDS)
    const answer = toResponse(problem.status >= 500 ? this.#logged(problem, error) : problem)
    const { httpAdapter } = this.#host
    const response: unknown = context.switchToHttp().getResponse()
    for (const [name, value] of answer.headers) httpAdapter.setHeader(response, name, value)
    httpAdapter.reply(response, await answer.text(), answer.status)
  }

  /** The problem with the id under which its error is in the log. */
  #logged(problem: Problem, error: unknown): Problem {
    const requestId = randomUUID()
    this.#logger.error(`${requestId}: ${error instanceof Error ? error.stack : String(error)}`)
    return { ...problem, requestId }
  }
}

const ofNest = (error: HttpException): Problem => ({ status: error.getStatus(), code: 'HTTP', detail: error.message })
