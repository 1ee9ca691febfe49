import { type DynamicModule, Module } from '@nestjs/common'
import { APP_FILTER, NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { Prisma } from '../client.js'
import { Checkout } from './checkout.js'
import { TicketController, WalletController } from './controllers.js'
import { ProblemFilter } from './problem.filter.js'
import { RowLockModule } from './row-lock.module.js'

@Module({})
export class AppModule {
  static by(connect: () => Prisma): DynamicModule {
    return {
      module: AppModule,
      imports: [RowLockModule.forRoot(connect)],
      controllers: [WalletController, TicketController],
      providers: [Checkout, { provide: APP_FILTER, useClass: ProblemFilter }],
    }
  }
}

/** The application, listening. Its `close()` finishes the requests that are under way, and then closes the pool. */
export async function startApp(root: DynamicModule, port = 0): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter()
  closeConnections(adapter)
  const app = await NestFactory.create<NestFastifyApplication>(root, adapter, { logger: ['warn', 'error'] })
  await app.listen(port, '127.0.0.1')
  return app
}

/** A connection that is kept alive after its last request would keep the server from closing. */
function closeConnections(adapter: FastifyAdapter): void {
  const server = adapter.getInstance()
  let closing = false
  server.addHook('preClose', async () => void (closing = true))
  server.addHook('onSend', async (_request, reply) => void (closing && reply.header('Connection', 'close')))
}
