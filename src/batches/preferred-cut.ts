// The cut of a batch when partitions hold the watermark back. Record timestamps may be wrong: a partition
// that begins with a record stamped ahead of the others gets nothing from a cut at one timestamp, although
// its rows are the ones that the watermark waits for.
import { type AlignedCut, type AlignedCutInput, alignedCut } from './aligned-cut.ts'

export type PreferredCutInput = AlignedCutInput & {
  /** Indexes of partitions that hold the watermark back, the one that holds it most first. */
  readonly preferred: readonly number[]
}

/**
 * The aligned cut, except that preferred partitions that would get nothing of it get up to half of the batch
 * by offset, and the others share the rest. The order counts: behind the first preferred partition that the
 * aligned cut serves, none holds the watermark more than one that goes on.
 */
export async function preferredCut(input: PreferredCutInput): Promise<AlignedCut> {
  const { bounds, preferred, recordsMax } = input
  const aligned = await alignedCut(input)
  const isServed = (index: number): boolean => aligned.ends[index]! > bounds[index]!.start
  const withRecords = preferred.filter((index) => bounds[index]!.start < bounds[index]!.end)
  const firstServed = withRecords.findIndex(isServed)
  const starved = firstServed === -1 ? withRecords : withRecords.slice(0, firstServed)
  if (aligned.timestampMs === null || starved.length === 0) return aligned

  let left = BigInt(Math.max(1, Math.floor(recordsMax / 2)))
  const ends = new Map<number, bigint>()
  for (const index of starved) {
    const { start, end } = bounds[index]!
    const taken = end - start < left ? end - start : left
    ends.set(index, start + taken)
    left -= taken
  }
  const taken = [...ends].reduce((sum, [index, end]) => sum + (end - bounds[index]!.start), 0n)
  const rest = recordsMax - Number(taken)
  // Where they begin with nothing to share, the others wait for the next batch.
  if (rest === 0) return { ...aligned, ends: bounds.map(({ start }, index) => ends.get(index) ?? start) }
  const shared = await alignedCut({
    ...input,
    bounds: bounds.map((one, index) => (ends.has(index) ? { start: one.start, end: one.start } : one)),
    recordsMax: rest,
    toMs: Math.max(aligned.timestampMs, input.fromMs),
  })
  return {
    timestampMs: shared.timestampMs ?? aligned.timestampMs,
    ends: shared.ends.map((end, index) => ends.get(index) ?? end),
  }
}
