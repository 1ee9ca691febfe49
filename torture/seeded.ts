import { createHash } from 'node:crypto'
import { randomFrom } from '../src/explorer/random-scheduler.js'

/** The numbers of one fault of a run: the same with the same seed, whatever else the run does. */
export function seededRandom(seed: number, name: string): () => number {
  return randomFrom(createHash('sha256').update(`${seed} ${name}`).digest().readUInt32LE())
}
