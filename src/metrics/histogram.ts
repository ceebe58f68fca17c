// A histogram in both of Prometheus' ways: counts up to fixed bounds, and native buckets each a sixteenth
// of a doubling wide (schema 4), which need no choice of bounds.

/** Upper bounds of the classic buckets, in seconds; the last one has all the rest. */
export const classicBounds: readonly number[] = [
  ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200],
]

/** Buckets of a doubling: 2 to the power of this. */
export const nativeSchema = 4

export class Histogram {
  count = 0
  sum = 0
  /** By the index of the bound; what is beyond the last one stands in `count` alone. */
  readonly classic: number[] = classicBounds.map(() => 0)
  /** By native index: bucket i holds values in (2^((i - 1) / 16), 2^(i / 16)]. */
  readonly native = new Map<number, number>()
  /** Not greater than what the native buckets tell apart from zero. */
  zeroCount = 0

  observe(seconds: number, count = 1): void {
    this.count += count
    this.sum += seconds * count
    const bound = classicBounds.findIndex((one) => seconds <= one)
    if (bound >= 0) this.classic[bound]! += count
    if (seconds <= zeroThreshold) this.zeroCount += count
    else {
      const index = Math.ceil(Math.log2(seconds) * 2 ** nativeSchema)
      this.native.set(index, (this.native.get(index) ?? 0) + count)
    }
  }
}

/** A tenth of a millisecond. */
export const zeroThreshold = 1e-4
