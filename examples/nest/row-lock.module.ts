import { type DynamicModule, Inject, Module, type OnApplicationShutdown } from '@nestjs/common'
import type { Prisma } from '../client.js'
import { PRISMA, TicketRepository, WalletRepository } from './repositories.js'

/** One client and its pool for the whole application, and the repositories by it. */
@Module({})
export class RowLockModule implements OnApplicationShutdown {
  readonly #prisma: Prisma

  constructor(@Inject(PRISMA) prisma: Prisma) {
    this.#prisma = prisma
  }

  static forRoot(connect: () => Prisma): DynamicModule {
    const repositories = [WalletRepository, TicketRepository]
    return {
      module: RowLockModule,
      global: true,
      providers: [{ provide: PRISMA, useFactory: connect }, ...repositories],
      exports: [PRISMA, ...repositories],
    }
  }

  // Nest calls `onModuleDestroy` while the server is still open: a request that arrives meanwhile would connect again, and
  // that connection stay.
  async onApplicationShutdown(): Promise<void> {
    await this.#prisma.$disconnect()
  }
}
