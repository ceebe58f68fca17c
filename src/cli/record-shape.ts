// The generator's records as those of a project look.
import type { Project } from '../project/project.ts'
import type { Mapping } from '../transactions/mapping.ts'
import { type SeedRecord, shapedRecord } from '../transactions/shaped-record.ts'

/** null for the lakehouse that ships, and for one without a mapping: records are as they are generated. */
export function recordShape({ lakehouse, home }: Project): ((value: Uint8Array) => Uint8Array) | null {
  const { reading } = lakehouse
  if (home === null || reading === undefined) return null
  // Whoever makes a lakehouse of transactions puts their mapping there.
  const mapping = reading.mapping as Mapping
  let index = 0
  return (value) => {
    const record = seedRecordOf(value)
    if (record === null) return value
    return Buffer.from(JSON.stringify(shapedRecord(mapping, reading.samples ?? {}, record, index++)))
  }
}

/** null for a record that is malformed on purpose: it stays so. */
function seedRecordOf(value: Uint8Array): SeedRecord | null {
  try {
    const record = JSON.parse(Buffer.from(value).toString('utf8')) as Partial<SeedRecord>
    const { transaction_id: id, user_id: user, amount, timestamp, location } = record
    const isWhole =
      typeof id === 'string' &&
      typeof user === 'number' &&
      typeof amount === 'number' &&
      typeof timestamp === 'string' &&
      typeof location === 'string'
    return isWhole ? (record as SeedRecord) : null
  } catch {
    return null
  }
}
