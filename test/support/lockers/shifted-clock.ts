/** Shifts this process's Date by `SHIFT_CLOCK` milliseconds, as a wrong clock would. To be imported first. */
const shift = Number(process.env.SHIFT_CLOCK ?? 0)
const now = Date.now.bind(Date)

class ShiftedDate extends Date {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [now() + shift] : args) as [number]))
  }
  static override now = () => now() + shift
}

if (shift !== 0) globalThis.Date = ShiftedDate as DateConstructor
