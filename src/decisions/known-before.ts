// From which batch's state decisions go on: it must know what came before the first record that is still to
// be decided, and nothing that came later.
import { type NextOffset, type Offsets, partitionKey } from '../batches/offsets.ts'
import { noProgress, type Progress, type RecordedBatch } from '../batches/progress.ts'

/** The batches of a lakehouse, as `BatchHistory` has them. */
export type Batches = {
  progressAt(batch: bigint): Promise<Progress>
  after(batch: bigint): AsyncIterable<Pick<RecordedBatch, 'plan' | 'progress'>>
}

/**
 * The newest batch that has no record which is still to be decided. Where the first batch has one, nothing is
 * known, and reading begins where that batch began.
 */
export async function knownBefore(batches: Batches, newest: Progress, decided: Offsets): Promise<Progress> {
  const isBefore = ({ offsets }: Progress): boolean =>
    [...decided].every(([key, { offset }]) => (offsets.get(key)?.offset ?? 0n) <= offset)
  let known = newest
  for (let back = 1n; known.batch > 0n && !isBefore(known); back *= 4n)
    known = await batches.progressAt(newest.batch > back ? newest.batch - back : 0n)
  if (known.batch === newest.batch) return known
  for await (const { progress } of batches.after(known.batch)) {
    if (!isBefore(progress)) break
    known = progress
  }
  if (known.batch > 0n) return known
  return { ...noProgress, offsets: await beginsOf(batches, decided) }
}

/** Where the first batch of each partition began; of one that no batch read, where it is decided from. */
async function beginsOf(batches: Batches, decided: Offsets): Promise<Offsets> {
  const begins = new Map<string, NextOffset>()
  for await (const { plan } of batches.after(0n)) {
    for (const { start, end, ...of } of plan?.ranges ?? []) {
      const key = partitionKey(of)
      if (!begins.has(key) && end > start) begins.set(key, { ...of, offset: start })
    }
    if ([...decided.keys()].every((key) => begins.has(key))) break
  }
  for (const [key, of] of decided) {
    const begin = begins.get(key)?.offset
    if (begin === undefined || of.offset < begin) begins.set(key, of)
  }
  return begins
}
