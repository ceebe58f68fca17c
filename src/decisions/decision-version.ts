// By what a record is decided: definitions and settings as one short text, which is the same for a decision
// and for the batch of its row where both went by the same.
import { createHash } from 'node:crypto'
import type { Definitions } from '../ops/definitions.ts'
import type { Lakehouse } from '../plan/index.ts'

const versionLength = 12

/** Says how much a batch takes, and nothing of its rows. */
const ofNoRow = 'MAX_RECORDS_PER_BATCH'

export function decisionVersion(
  { stored }: Pick<Definitions, 'stored'>,
  { events, refused, scored, records }: Pick<Lakehouse, 'events' | 'refused' | 'scored' | 'records'>,
): string {
  const tables = [records, events, refused, scored].map((table) => table?.path)
  const deciding = stored.filter(({ kind, name }) => {
    if (kind === 'table') return tables.includes(name)
    return kind !== 'setting' || name !== ofNoRow
  })
  const hashes = deciding.map(({ hash }) => hash).sort()
  return createHash('sha256').update(hashes.join('\n')).digest('hex').slice(0, versionLength)
}
