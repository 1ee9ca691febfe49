import { type LockBlocker, type RowLockEvent, rowLocks } from 'rowlock'
import { expectTypeOf } from 'vitest'

rowLocks()
rowLocks({ onEvent: (event) => void event.at, slowLock: 1_000, telemetry: false })
// May be async; it is not waited for.
const notify: () => Promise<void> = async () => undefined
rowLocks({ onEvent: (event) => void notify().then(() => event) })
// @ts-expect-error
rowLocks({ slowLock: '1s' })
// @ts-expect-error
rowLocks({ onevent: () => undefined })

rowLocks({
  onEvent(event) {
    // Told apart by `type`.
    if (event.type === 'lock.slow') {
      expectTypeOf(event.blockers).toEqualTypeOf<readonly LockBlocker[]>()
      expectTypeOf(event.waited).toEqualTypeOf<number>()
    }
    if (event.type === 'transaction.retried') expectTypeOf(event.delay).toEqualTypeOf<number>()
    if (event.type === 'lock.acquired') expectTypeOf(event.waited).toEqualTypeOf<number | undefined>()
    // @ts-expect-error
    if (event.type === 'gate.queued') void event.waited
    // @ts-expect-error
    void (event.type === 'lock.slower')
  },
})

expectTypeOf<RowLockEvent['type']>().toEqualTypeOf<
  | 'lock.waited'
  | 'lock.slow'
  | 'lock.acquired'
  | 'lock.refused'
  | 'lock.released'
  | 'transaction.retried'
  | 'transaction.committed'
  | 'gate.queued'
>()
