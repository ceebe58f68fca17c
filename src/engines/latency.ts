// How long records took from their arrival to the commit: how many fell into which bucket. Counts of several
// batches add up, and a quantile of the sum is that of all their records.

/** Records by bucket: a sixteenth of a doubling wide, so what is read from one is 2.2 % off at most. */
export type LatencyCounts = ReadonlyMap<number, number>

const bucketsPerDoubling = 16

export const noLatencies: LatencyCounts = new Map()

/** The bucket of a DuckDB expression that gives milliseconds; all up to one millisecond are in the first. */
export function latencyBucketSql(milliseconds: string): string {
  return `CAST(floor(${bucketsPerDoubling} * log2(greatest(${milliseconds}, 1))) AS INTEGER)`
}

/** The bucket of so many milliseconds. */
export function latencyBucket(milliseconds: number): number {
  return Math.floor(bucketsPerDoubling * Math.log2(Math.max(milliseconds, 1)))
}

/** The middle of a bucket, as the quantiles tell it. */
export function latencyMiddleMs(bucket: number): number {
  return 2 ** ((bucket + 0.5) / bucketsPerDoubling)
}

export function addLatencies(all: readonly LatencyCounts[]): LatencyCounts {
  const sum = new Map<number, number>()
  for (const counts of all) {
    for (const [bucket, count] of counts) sum.set(bucket, (sum.get(bucket) ?? 0) + count)
  }
  return sum
}

/** What at least `share` of the records took at most, in milliseconds; null without any. */
export function latencyQuantileMs(counts: LatencyCounts, share: number): number | null {
  const buckets = [...counts].toSorted(([a], [b]) => a - b)
  const total = buckets.reduce((sum, [, count]) => sum + count, 0)
  let seen = 0
  for (const [bucket, count] of buckets) {
    seen += count
    if (seen > 0 && seen >= share * total) return latencyMiddleMs(bucket)
  }
  return null
}
