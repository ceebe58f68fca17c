// The compiled row path gives what the SQL of the engine gives, cell by cell.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowPathComparison } from '../../compare/row-path.ts'
import { fuzzRecord } from '../../generate/fuzz.ts'
import { badInput, lines } from '../../generate/lines.ts'
import type { RawRecord } from '../../oracle/rows.ts'

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
