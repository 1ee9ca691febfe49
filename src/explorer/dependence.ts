import type { Footprint } from './schedule.js'

/**
 * Whether the order of two statements of different actors can matter. Under MVCC a plain READ COMMITTED
 * read does not notice a writer's UPDATE, only its COMMIT; two writes, or a write and a lock, on the
 * same table may notice each other at once. Tables stand for their rows: too many dependences cost
 * time, too few would lose schedules.
 *
 * @see Flanagan, Godefroid: Dynamic Partial-Order Reduction for Model Checking Software (2005)
 */
export function areDependent(a: Footprint, b: Footprint): boolean {
  if (a.unknown || b.unknown) return true
  return notices(a, b) || notices(b, a) || overlap(a.writes, b.writes)
}

/** Whether `a` may see, or wait for, what `b` makes visible or releases. */
function notices(a: Footprint, b: Footprint): boolean {
  if (b.publishes.size === 0) return false
  return a.takesSnapshot || overlap(a.reads, b.publishes) || overlap(a.writes, b.publishes)
}

function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const item of a) if (b.has(item)) return true
  return false
}
