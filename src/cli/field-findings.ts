// What a sample of records says of the fields of a project: how often each is there, and what is there in its
// place.
import type { Lakehouse } from '../plan/index.ts'
import { type FoundField, fieldsFound } from '../transactions/fields-found.ts'
import type { Mapping } from '../transactions/mapping.ts'
import { sampleOf } from '../transactions/sample.ts'
import type { Found } from './check-finding.ts'
import { formatCount } from './terminal-text.ts'

/** Without these no record is a transaction. */
const required: readonly string[] = ['transaction_id', 'user_id', 'amount', 'timestamp']

/** One line for each field that a record lacks, or one for all that every record has. */
export function fieldFindings(
  { reading }: Lakehouse,
  values: readonly (Uint8Array | null)[],
): readonly Found[] {
  if (reading === undefined) return []
  const sample = sampleOf(values)
  if (sample.records === 0) return []
  // Whoever makes a lakehouse of transactions puts their mapping there.
  const fields = fieldsFound(sample, reading.mapping as Mapping)
  const isWhole = ({ found, readableShare }: FoundField): boolean =>
    found === sample.records && readableShare === 1
  const lacking = fields.filter((field) => !isWhole(field))
  if (lacking.length === 0) {
    return [{ verdict: 'ok', text: `every one of the fields is in all ${formatCount(sample.records)}` }]
  }
  return lacking.map((field) => findingOf(field, sample.records))
}

function findingOf({ field, path, as, found, readableShare, instead }: FoundField, records: number): Found {
  const there = `${field} (${path.join('.')}): found in ${formatCount(found)} of ${formatCount(records)}`
  const unread = found > 0 && readableShare < 1
  const readable = unread ? `, ${Math.floor(readableShare * 100)} % of them readable as ${as}` : ''
  const others = instead.map((one) => one.join('.'))
  const advice = others.length === 0 ? '' : `; there is ${others.join(', ')}`
  const isSerious = (required.includes(field) && (found < records || unread)) || found === 0
  return { verdict: isSerious ? 'warn' : 'ok', text: `${there}${readable}${advice}` }
}
