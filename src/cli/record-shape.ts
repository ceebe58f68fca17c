// The generator's records as those of a project look.
import { jsonValueAt } from '../json/json-value-at.ts'
import type { NamingColumn } from '../plan/index.ts'
import type { ProduceOptions } from '../produce/produce.ts'
import type { Project } from '../project/project.ts'
import type { Mapping } from '../transactions/mapping.ts'
import { type SeedRecord, shapedRecord } from '../transactions/shaped-record.ts'

/** null for the lakehouse that ships, and for one without a mapping: records are as they are generated. */
export function recordShape({ lakehouse, home }: Project): NonNullable<ProduceOptions['shape']> | null {
  const { reading, names } = lakehouse
  if (home === null || reading === undefined) return null
  // Whoever makes a lakehouse of transactions puts their mapping there.
  const mapping = reading.mapping as Mapping
  let index = 0
  return ({ key, value }) => {
    const record = seedRecordOf(value)
    if (record === null) return { key, value }
    const shaped = shapedRecord(mapping, reading.samples ?? {}, record, index++)
    return {
      key: keyOf(shaped, names.key ?? names.person) ?? key,
      value: Buffer.from(JSON.stringify(shaped)),
    }
  }
}

/** The key as text; null where the record has no such value. */
function keyOf(shaped: unknown, { path }: NamingColumn): Uint8Array | null {
  const value = jsonValueAt(shaped, path)
  return value === undefined || value === null ? null : Buffer.from(String(value))
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
