// Why records were refused, as people are told.
import type { RefusedSample } from '../engines/batch-report.ts'
import { unitOf } from '../errors/counted.ts'
import { cleanCell, cutToWidth, formatCount } from './terminal-text.ts'

/** The commonest reasons first; those of one count by name. */
export function sortedReasons(counts: Readonly<Record<string, number>>): [reason: string, rows: number][] {
  return Object.entries(counts).sort(([a, rowsA], [b, rowsB]) => rowsB - rowsA || (a < b ? -1 : 1))
}

/** At most `linesMax` of them, the last one for those that do not fit. */
export function topReasons(
  counts: Readonly<Record<string, number>>,
  linesMax: number,
): [reason: string, rows: number][] {
  const sorted = sortedReasons(counts)
  if (sorted.length <= linesMax) return sorted
  if (linesMax < 2) return []
  const shown = sorted.slice(0, linesMax - 1)
  const others = sorted.slice(linesMax - 1).reduce((sum, [, rows]) => sum + rows, 0)
  return [...shown, ['other reasons', others]]
}

/** From this share on, something is wrong with the input rather than with some records of it. */
const nearlyAllShare = 0.9
const sampleWidthMax = 160

export type Refused = {
  readonly records: number
  readonly quarantined: number
  readonly reasons: Readonly<Record<string, number>>
  readonly samples: readonly RefusedSample[]
}

/**
 * Where nearly every record is refused: `heading`, how many are, the commonest reason, and a record that has
 * it; `meanings` is what the reasons mean. null where records are taken.
 */
export function nearlyAllRefused(
  refused: Refused,
  heading: string,
  meanings: Readonly<Record<string, string>>,
): string | null {
  const { records, quarantined, reasons, samples } = refused
  if (quarantined === 0 || quarantined < nearlyAllShare * records) return null
  const [reason, rows] = sortedReasons(reasons)[0]!
  const meaning = meanings[reason] === undefined ? '' : ` (${meanings[reason]})`
  const sample = samples.find((one) => one.reason === reason)
  const of = `${formatCount(quarantined)} of ${formatCount(records)} ${unitOf(records, 'record')}`
  return (
    `${heading}: ${of}, ${formatCount(rows)} as ${reason}${meaning}` +
    `${sample === undefined ? '' : `, such as ${sampleText(sample)}`}. ` +
    'docs/guide/records.md says what a record must be.'
  )
}

/** Fewer may be the garbage of a moment: bad records are data, and no failure of a run. */
const allRefusedMin = 20

/** True where nothing that was read is of use: a repeat and a late record are what they are by others. */
export function isAllRefused({ records, quarantined, reasons }: Omit<Refused, 'samples'>): boolean {
  const isOfOthers = Object.keys(reasons).every((reason) => reason === 'late' || reason === 'duplicate')
  return records >= allRefusedMin && quarantined === records && !isOfOthers
}

/** Where the record is, and its beginning; what is no text is shown as such. */
function sampleText({ topic, partition, offset, value }: RefusedSample): string {
  const at = `${topic}, partition ${partition}, offset ${offset}`
  if (value === null) return `${at}, which has no value`
  // Bytes that are no UTF-8 become replacement characters.
  const text = cleanCell(Buffer.from(value).toString('utf8'))
  return `${at}: ${cutToWidth(text, sampleWidthMax)}`
}
