// The lakehouse that version 0.1.0 wrote, with the files that it read.
import { execFileSync } from 'node:child_process'
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RawRecord, Row, Tables } from '../../oracle/rows.ts'

const fixture = join(import.meta.dirname, '../../data/lakehouse-0.1.0')

/** Puts it into a directory: `lake` has the tables, `input` the files. */
export async function unpackOldLakehouse(directory: string): Promise<{ base: string; input: string }> {
  execFileSync('tar', ['xzf', join(fixture, 'lake.tar.gz'), '-C', directory])
  const input = join(directory, 'input')
  await cp(join(fixture, 'input'), input, { recursive: true })
  return { base: join(directory, 'lake'), input }
}

/** The lines of the files in a directory as the records that they are. */
export async function recordsOfFiles(directory: string): Promise<RawRecord[]> {
  const records: RawRecord[] = []
  for (const topic of (await readdir(directory)).sort()) {
    const bytes = await readFile(join(directory, topic))
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const value = bytes.subarray(start, end)
      const facts = { key: null, headers: null, timestampMs: null, partition: 0 }
      records.push({ topic, offset: BigInt(start), value, ...facts })
      start = end + 1
    }
  }
  return records
}

/** Scores that are older than versions of rules have none; the oracle says that they are by the first. */
export function withRulesVersion(tables: Tables, before: Tables): Tables {
  const placeOf = (row: Row): string => `${row.topic} ${row.partition} ${row.offset}`
  const old = new Set(before.fraud_detection.map(placeOf))
  const scored = tables.fraud_detection.map((row) => {
    return row.rules_version === null && old.has(placeOf(row)) ? { ...row, rules_version: 1n } : row
  })
  return { ...tables, fraud_detection: scored }
}
