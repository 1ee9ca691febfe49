/** One measurement of a line. */
export interface Point {
  /** What grows along the line. */
  readonly x: number
  readonly processes: number
  /** In all processes together. */
  readonly callers: number
  /** In the table. */
  readonly wallets: number
  /** Wallets that are withdrawn from. */
  readonly called: number
  /** Ledger entries that are there before. */
  readonly history: number
}

export interface Line {
  readonly name: string
  /** What `x` counts, as the title of its axis. */
  readonly axis: string
  /** What stays the same along it. */
  readonly fixed: string
  readonly points: readonly Point[]
  /** The point to which the last one is compared. */
  readonly from: number
}

/** Of each process. */
export const POOL = 10
const CALLERS = 64
/** The most that a batch takes: with as many in each process, batches are as full in eight as in one. */
const CALLERS_OF_PROCESS = 100
const MANY = 10_000

const powers = (most: number) => Array.from({ length: Math.round(Math.log10(most)) + 1 }, (_, power) => 10 ** power)

export function growthLines({ quick }: { readonly quick: boolean }): Line[] {
  const processes = quick ? [1, 2] : [1, 2, 4, 8]
  const split = CALLERS_OF_PROCESS * Math.max(...processes)
  const usual = { processes: 1, callers: CALLERS, wallets: 1, called: 1, history: 0 }
  return [
    {
      name: 'callers',
      axis: 'callers',
      fixed: 'one wallet',
      // Up to the pool's size more callers are more at once; after that they are more in the queue.
      from: POOL,
      points: (quick ? [1, POOL, 100] : [1, 3, POOL, 30, 100, 300, 1_000]).map((x) => ({ ...usual, x, callers: x })),
    },
    {
      name: 'wallets',
      axis: 'wallets',
      fixed: `${CALLERS} callers`,
      // Where there are ten for each connection, two callers rarely meet: neither to wait nor to share a batch.
      from: POOL * 10,
      points: powers(quick ? 10_000 : 1_000_000).map((x) => ({ ...usual, x, wallets: x, called: x })),
    },
    {
      name: 'processes, one wallet',
      axis: 'processes',
      fixed: `${split} callers in all, one wallet`,
      from: 1,
      points: processes.map((x) => ({ ...usual, x, processes: x, callers: split })),
    },
    {
      name: 'processes, many wallets',
      axis: 'processes',
      fixed: `${split} callers in all, ${MANY.toLocaleString('en')} wallets`,
      from: 1,
      points: processes.map((x) => ({ ...usual, x, processes: x, callers: split, wallets: MANY, called: MANY })),
    },
    {
      name: 'history',
      axis: 'ledger entries before',
      fixed: `${CALLERS} callers of one wallet of ${MANY.toLocaleString('en')}, half of the entries its own`,
      from: 0,
      points: (quick ? [0, 100_000] : [0, 100_000, 1_000_000, 10_000_000]).map((x) => ({ ...usual, x, wallets: MANY, history: x })),
    },
  ]
}
