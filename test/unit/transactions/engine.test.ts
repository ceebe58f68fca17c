// Records of random projects through the embedded engine, and the proof of what it wrote.
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { scanSql } from '../../../src/delta/scan.ts'
import { and, greaterThan, lessThan, money } from '../../../src/expr/index.ts'
import { silverOf } from '../../../src/lakehouse/2-silver/transactions.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { tablesOfSilver } from '../../../src/lakehouse/tables-of-silver.ts'
import { defineLakehouse, type Lakehouse } from '../../../src/plan/index.ts'
import { mappingOf } from '../../../src/transactions/mapping-of.ts'
import { verifyLakehouse } from '../../../src/verify/verify.ts'
import { type MappedRecord, mappedProject, mappedRecord } from '../../oracle/mapped-project.ts'
import { bronzeMicros } from '../../oracle/mapped-records.ts'
import type { RawRecord } from '../../oracle/rows.ts'
import { memorySource } from '../engine/memory-source.ts'
import { newLakehouse, runOnce, testOptions } from '../engine/pipeline.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const projectCount = 2
const recordCount = 300
/** Positive amounts below so many cents are refused by a check of the project. */
const leastCents = 5_00n

test(`what projects make of their records is in the tables, and is proved (SEED=${seed})`, async () => {
  for (const [index, project] of fc.sample(mappedProject, { seed, numRuns: projectCount }).entries()) {
    const silver = silverOf({
      ...project,
      checks: [
        {
          reason: 'too_small',
          when: (row) => and(greaterThan(row.amount, money('0')), lessThan(row.amount, money('5'))),
        },
      ],
    })
    const [records, events, refused, scored, ...tables] = tablesOfSilver(silver)
    const lakehouse = defineLakehouse({
      ...standardLakehouse,
      records: records!,
      events: events!,
      refused: refused!,
      scored: scored!,
      tables,
      reasons: silver.reasonMeanings,
      reading: silver.reading,
    })
    const written = fc.sample(mappedRecord(project, fc.constant(bronzeMicros)), {
      seed: seed + index,
      numRuns: recordCount,
    })
    const disk = await newLakehouse()
    try {
      const source = memorySource(written.map(rawRecord))
      await runOnce(disk, { lakehouse, recordsPerBatchMax: 150, finalize: true }, source)
      const found = await reasonsByOffset(disk.base)
      const wrong = written.flatMap((record, offset) => {
        const [got, wanted] = [found.get(offset), expectedReasons(record)]
        const isRight = got === wanted || (wanted === '' && (got === 'late' || got === 'duplicate'))
        return isRight ? [] : [{ offset, got, wanted, value: record.value.toString() }]
      })
      const what = `${wrong.length} records of ${JSON.stringify(project)}; repeat with SEED=${seed}`
      expect(wrong.slice(0, 2), what).toEqual([])
      expect(await failed(disk.base, lakehouse), what).toEqual([])
      // The proof goes by the mapping that each batch had: what is configured now changes nothing.
      const reading = { mapping: mappingOf({}, project.extra), checkReasons: [] }
      expect(await failed(disk.base, { ...lakehouse, reading }, 'silver/transactions')).toEqual([])
    } finally {
      await disk.remove()
    }
  }
})

/** The engine's batches are after the record: its own clock judges what is in the future. */
function rawRecord({ value }: MappedRecord, offset: number): RawRecord {
  const timestampMs = Number(bronzeMicros / 1000n)
  return { topic: 't', partition: 0, offset: BigInt(offset), key: null, value, headers: null, timestampMs }
}

function expectedReasons({ reasons, cells }: MappedRecord): string {
  const isSmall = typeof cells.amount === 'bigint' && cells.amount > 0n && cells.amount < leastCents
  return [...reasons, ...(isSmall && reasons[0] !== 'malformed' ? ['too_small'] : [])].join(', ')
}

/** Of each record: its reasons, none where it is in silver. */
async function reasonsByOffset(base: string): Promise<ReadonlyMap<number, string>> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const select = async (path: string, reasons: string): Promise<string> => {
    const table = await DeltaTable.open(join(base, path))
    return `SELECT "offset", ${reasons} AS reasons FROM (${scanSql(await table.snapshot(), table.directory)})`
  }
  const [accepted, refused] = [
    await select('silver/transactions', "''"),
    await select('silver/quarantine', "array_to_string(reasons, ', ')"),
  ]
  const rows = (await connection.runAndReadAll(`${accepted} UNION ALL ${refused}`)).getRowObjectsJS()
  connection.closeSync()
  instance.closeSync()
  expect(new Set(rows.map(({ offset }) => offset)).size).toBe(rows.length)
  return new Map(rows.map(({ offset, reasons }) => [Number(offset), String(reasons)]))
}

async function failed(
  deltaBasePath: string,
  lakehouse: Lakehouse,
  table: string | null = null,
): Promise<string[]> {
  const { delays, parameters, duckdb } = testOptions
  const { checks } = await verifyLakehouse({ lakehouse, deltaBasePath, delays, parameters, duckdb }, table)
  return checks.filter(({ ok }) => !ok).map(({ check }) => check)
}
