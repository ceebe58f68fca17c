// The compiled row path gives what the SQL of the engine gives, cell by cell.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lakehouseRowPath } from '../../../src/engines/row-path.ts'
import { coalesce, text } from '../../../src/expr/index.ts'
import { compileRowPath } from '../../../src/javascript/index.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { input, project, storedTable, storedText } from '../../../src/plan/index.ts'
import { compileTable, duckdb } from '../../../src/sql/index.ts'
import { RowPathComparison, rowTables } from '../../compare/row-path.ts'
import { fuzzRecord } from '../../generate/fuzz.ts'
import { badInput, lines } from '../../generate/lines.ts'
import type { RawRecord } from '../../oracle/rows.ts'

const { tables } = standardLakehouse

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const kafkaMs = Date.UTC(2026, 10, 1)

type Content = Omit<RawRecord, 'topic' | 'partition' | 'offset'>

/** Two topics, three partitions, in the order of arrival. */
function inOrder(contents: readonly Content[], firstOffset: number): RawRecord[] {
  const records = contents.map((content, index): RawRecord => {
    const [topic, partition] = [index % 5 === 0 ? 'other' : 'transactions', index % 5 === 1 ? 1 : 0]
    return { ...content, topic, partition, offset: BigInt(firstOffset + index) }
  })
  const place = ({ topic, partition, offset }: RawRecord) =>
    `${topic} ${partition} ${String(offset).padStart(12, '0')}`
  return records.toSorted((a, b) => (place(a) < place(b) ? -1 : 1))
}

const plain = (value: Uint8Array | null): Content => ({
  value,
  key: null,
  headers: null,
  timestampMs: kafkaMs,
})

async function compareAll(batches: readonly (readonly Content[])[], dedupMinutes: number): Promise<number> {
  const comparison = await RowPathComparison.start({
    dedupMicros: BigInt(dedupMinutes) * 60_000_000n,
    lateAfterMicros: 600_000_000n,
  })
  try {
    let [offset, silver] = [0, 0]
    for (const [number, contents] of batches.entries()) {
      const { rows, differences } = await comparison.compare(inOrder(contents, offset))
      const what = `${differences.length} differences in batch ${number}; repeat with SEED=${seed}`
      expect(differences.slice(0, 5), what).toEqual([])
      expect(rows.silver_batch + rows.quarantine_batch).toBe(contents.length)
      offset += contents.length
      silver += rows.silver_batch
    }
    return silver
  } finally {
    comparison.close()
  }
}

test(`transactions in disorder, with repeats, late and bad ones (SEED=${seed})`, async () => {
  const batches = [0, 1, 2, 3].map((batch) =>
    fc.sample(lines(400, 300), { seed: seed + batch, numRuns: 1 })[0]!.map(plain),
  )
  expect(await compareAll(batches, 30)).toBeGreaterThan(20)
})

test(`records of every kind (SEED=${seed})`, async () => {
  const batches = [0, 1].map((batch) => fc.sample(fuzzRecord, { seed: seed + batch, numRuns: 1500 }))
  expect(await compareAll(batches, 24 * 60)).toBeGreaterThan(20)
})

test('every bad input of which the contract says what becomes of it', async () => {
  const judged = badInput.filter(({ outcome }) => outcome !== 'any')
  await compareAll([judged.map(({ value }) => plain(value))], 24 * 60)
})

test('definitions that were stored and read again give the same code and the same SQL', () => {
  const stored = tables.map((table) => storedTable(storedText(table)))
  const compiled = [tables, stored].map(
    (all) => lakehouseRowPath(standardLakehouse, all, 'input', rowTables).code,
  )
  expect(compiled[1]).toBe(compiled[0])
  const sql = [tables, stored].map((all) => all.map(({ rows }) => compileTable(duckdb, rows.node)))
  expect(sql[1]).toEqual(sql[0])
})

test('no text of a plan is code', () => {
  const odd = [
    'a b',
    'class',
    '`\u0024{x}`',
    '"',
    "'",
    '\n',
    '});process.exit(1);({',
    '__proto__x',
    'constructor',
    'é',
  ]
  const given = input('given', Object.fromEntries(odd.map((name) => [name, 'string'] as const)))
  const relation = project(given, (row) =>
    Object.fromEntries(odd.map((name) => [name, coalesce(row[name]!, text(name))] as const)),
  )
  const batch = compileRowPath({ source: 'given', outputs: { "o'": { relation, into: 'columns' } } }).start({
    parameters: {},
  })
  batch.add(Object.fromEntries(odd.map((name) => [name, null])))
  batch.add(Object.fromEntries(odd.map((name) => [name, `given ${name}`])))
  const { columns } = batch.rows("o'")
  for (const name of odd)
    expect([0, 1].map((row) => columns[name]!.get(row))).toEqual([name, `given ${name}`])
})
