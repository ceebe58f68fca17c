// Where a batch ends when more is waiting than it may take: at one record timestamp over all partitions, so
// that no row becomes late only because another partition was read faster.
import { assert } from '../errors/errors.ts'

/** What is readable of one partition; the caller keeps the order, results come in the same one. */
export type Bounds = { readonly start: bigint; readonly end: bigint }

export type AlignedCutInput = {
  readonly bounds: readonly Bounds[]
  readonly recordsMax: number
  /** Guesses of the earliest and latest record timestamps; wrong ones cost requests, never a wrong cut. */
  readonly fromMs: number
  readonly toMs: number
  /**
   * For every partition the offset of its first record later than `timestampMs` (-1 or more), null where
   * there is none. It must not shrink as the timestamp grows; it may lie before `start`, where timestamps are
   * out of order.
   */
  offsetsAfter(timestampMs: number): Promise<readonly (bigint | null)[]>
}

export type AlignedCut = {
  /**
   * From every partition the batch takes the records before the first one later than this, or, where one
   * millisecond holds more than the limit, a share of them; null: everything.
   */
  readonly timestampMs: number | null
  readonly ends: readonly bigint[]
}

/** A record without a timestamp has -1; what clocks write lies far below the other end. */
const TIMESTAMP_MS_MIN = -1
const TIMESTAMP_MS_MAX = 2 ** 52
/** How fast the search widens when its guesses were wrong. */
const STEP_GROWTH = 8

type Point = { readonly timestampMs: number; readonly ends: readonly bigint[]; readonly total: bigint }

/**
 * Finds the greatest timestamp whose records are at most `recordsMax` and more than none. Where no timestamp
 * is both, one millisecond holds more than the limit (records without a timestamp all have the same, and so
 * have those of a clock that stands): each partition then gives its share of `recordsMax`. Offsets are
 * counted, so that holes make a batch smaller, never greater.
 */
export async function alignedCut(input: AlignedCutInput): Promise<AlignedCut> {
  const { bounds } = input
  const recordsMax = BigInt(input.recordsMax)
  assert(recordsMax > 0n, 'a batch must be allowed a record')
  const everything = bounds.map(({ end }) => end)
  if (totalOf(bounds, everything) <= recordsMax) return { timestampMs: null, ends: everything }

  const probe = async (timestampMs: number): Promise<Point> => {
    const after = await input.offsetsAfter(timestampMs)
    assert(after.length === bounds.length, 'one offset for every partition')
    const ends = bounds.map(({ start, end }, index) => clamp(after[index] ?? end, start, end))
    return { timestampMs, ends, total: totalOf(bounds, ends) }
  }
  const bracket = await findBracket(probe, bounds, input, recordsMax)
  const { below, above } = await narrow(probe, bracket, recordsMax)
  if (below.total > 0n) return { timestampMs: below.timestampMs, ends: below.ends }
  return { timestampMs: above.timestampMs, ends: sharesOf(bounds, above, recordsMax) }
}

/** `recordsMax` of a point's records, more than these, from each partition in proportion to what it has. */
function sharesOf(bounds: readonly Bounds[], point: Point, recordsMax: bigint): bigint[] {
  const counts = bounds.map(({ start }, index) => point.ends[index]! - start)
  const shares = counts.map((count) => (count * recordsMax) / point.total)
  let left = recordsMax - shares.reduce((sum, share) => sum + share, 0n)
  return bounds.map(({ start }, index) => {
    const rounding = left > 0n && shares[index]! < counts[index]! ? 1n : 0n
    left -= rounding
    return start + shares[index]! + rounding
  })
}

type Probe = (timestampMs: number) => Promise<Point>
/** below.total <= recordsMax < above.total, and below.timestampMs < above.timestampMs. */
type Bracket = { readonly below: Point; readonly above: Point }

async function findBracket(
  probe: Probe,
  bounds: readonly Bounds[],
  guess: { readonly fromMs: number; readonly toMs: number },
  recordsMax: bigint,
): Promise<Bracket> {
  // The two ends of time need no probe: nothing is before it, and everything, more than the limit, is at its
  // end.
  const nothing = { timestampMs: TIMESTAMP_MS_MIN - 1, ends: bounds.map(({ start }) => start), total: 0n }
  const everything = bounds.map(({ end }) => end)
  const all = { timestampMs: TIMESTAMP_MS_MAX, ends: everything, total: totalOf(bounds, everything) }
  const firstMs = Math.max(TIMESTAMP_MS_MIN, Math.min(guess.fromMs - 1, TIMESTAMP_MS_MAX - 1))
  const first = await probe(firstMs)
  const stepMs = Math.max(1, guess.toMs - firstMs)
  return first.total > recordsMax
    ? await searchBefore(probe, { below: nothing, above: first }, stepMs, recordsMax)
    : await searchAfter(probe, { below: first, above: all }, stepMs, recordsMax)
}

async function searchBefore(
  probe: Probe,
  { below, above }: Bracket,
  firstStepMs: number,
  recordsMax: bigint,
): Promise<Bracket> {
  // Records without a timestamp may alone be too many: one probe tells, where a search would take long.
  const untimed = await probe(TIMESTAMP_MS_MIN)
  if (untimed.total > recordsMax) return { below, above: untimed }
  let earliest = above
  for (let stepMs = firstStepMs; earliest.timestampMs - stepMs > TIMESTAMP_MS_MIN; stepMs *= STEP_GROWTH) {
    const point = await probe(earliest.timestampMs - stepMs)
    if (point.total <= recordsMax) return { below: point, above: earliest }
    earliest = point
  }
  return { below: untimed, above: earliest }
}

async function searchAfter(
  probe: Probe,
  { below, above }: Bracket,
  firstStepMs: number,
  recordsMax: bigint,
): Promise<Bracket> {
  if (below.timestampMs + firstStepMs >= above.timestampMs) return { below, above }
  const expected = await probe(below.timestampMs + firstStepMs)
  if (expected.total > recordsMax) return { below, above: expected }
  // What no clock can have written, such as nanoseconds, may be all that is left.
  const timed = await probe(TIMESTAMP_MS_MAX - 1)
  if (timed.total <= recordsMax) return { below: timed, above }
  let latest = expected
  const stepMs = firstStepMs * STEP_GROWTH
  for (let step = stepMs; latest.timestampMs + step < timed.timestampMs; step *= STEP_GROWTH) {
    const point = await probe(latest.timestampMs + step)
    if (point.total > recordsMax) return { below: latest, above: point }
    latest = point
  }
  return { below: latest, above: timed }
}

/**
 * Narrows the bracket to neighbouring milliseconds: interpolating, and halving whenever that did not help
 * much.
 */
async function narrow(probe: Probe, bracket: Bracket, recordsMax: bigint): Promise<Bracket> {
  let { below, above } = bracket
  let halve = false
  while (above.timestampMs - below.timestampMs > 1 && below.total !== recordsMax) {
    const width = above.timestampMs - below.timestampMs
    const share = halve ? 0.5 : Number(recordsMax - below.total) / Number(above.total - below.total)
    const step = Math.min(width - 1, Math.max(1, Math.floor(width * share)))
    const point = await probe(below.timestampMs + step)
    if (point.total <= recordsMax) below = point
    else above = point
    halve = above.timestampMs - below.timestampMs > width / 2
  }
  return { below, above }
}

function totalOf(bounds: readonly Bounds[], ends: readonly bigint[]): bigint {
  return bounds.reduce((sum, { start }, index) => sum + (ends[index]! - start), 0n)
}

function clamp(offset: bigint, start: bigint, end: bigint): bigint {
  if (offset < start) return start
  return offset > end ? end : offset
}
