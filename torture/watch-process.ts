import { setTimeout } from 'node:timers/promises'
import { show } from './show.js'

/** What a fault does to the process that inflicts it. */
export interface ProcessWatch {
  /** Rejections nobody handled, and child processes and sockets that are still there after a moment, in words. */
  leftovers(): Promise<string[]>
}

// Sockets and children of ended work close in their own time.
const GRACE = 5_000
const KINDS = ['ProcessWrap', 'TCPSocketWrap', 'TCPServerWrap', 'PipeWrap']

const rejections: string[] = []

/** Keeps rejections that nobody handles for the fault that is running, where Node would end the process. */
export function keepRejections(): void {
  process.on('unhandledRejection', (reason) => rejections.push(`nobody handled ${show(reason)}`))
}

/** Those since the last time somebody asked, in words. */
export async function takeRejections(): Promise<string[]> {
  // Node reports a rejection when the microtasks of its turn are done.
  await new Promise(setImmediate)
  return rejections.splice(0)
}

/** What is there before is not the fault's. */
export function watchProcess(): ProcessWatch {
  rejections.length = 0
  const before = countResources()
  return {
    async leftovers() {
      const until = performance.now() + GRACE
      while (addedSince(before).length > 0 && performance.now() < until) await setTimeout(10)
      return [...(await takeRejections()), ...addedSince(before)]
    },
  }
}

function addedSince(before: ReadonlyMap<string, number>): string[] {
  return [...countResources()].flatMap(([kind, count]) => {
    const added = count - (before.get(kind) ?? 0)
    return added > 0 ? [`${added} × ${kind} in the process`] : []
  })
}

/** What keeps the process alive; a server that is shared by several faults does not. */
function countResources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (KINDS.includes(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}
