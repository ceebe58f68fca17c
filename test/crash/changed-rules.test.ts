// A process is killed at a named step, and the next one goes on by another version of the rules: each row is
// by exactly one of the two, the one that its batch says, and the proof holds.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { rulesFile } from '../../src/lakehouse/rules.ts'
import { stepNames } from '../../src/steps/step.ts'
import { verifyLakehouse } from '../../src/verify/verify.ts'
import { batchesOfLog } from '../compare/batches-of-log.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import type { Row } from '../oracle/rows.ts'
import { isItsTurn } from '../turns.ts'
import { newLakehouse, runOnce, testOptions, writeInput } from '../unit/engine/pipeline.ts'
import { crashOptions } from './child.ts'
import { runChild } from './processes.ts'

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const [values] = fc.sample(lines(60, 60), { seed, numRuns: 1 })
const recordsPerBatchMax = Math.ceil(values!.length / 3)
/** Of every row with an amount another score: no row is the same by both. */
const others = readFileSync(rulesFile, 'utf8').replace(
  'rules:\n',
  'rules:\n  - { name: any_amount, when: amount > 0, points: 1, says: an amount }\n',
)
const second = standardLakehouse.rulesFrom!.by({ version: 2, text: others })
/** Rows of fraud_detection as undisturbed runs by one version wrote them, by offset. */
const expected = new Map<number, ReadonlyMap<string, string>>()

beforeAll(async () => {
  for (const [version, lakehouse] of [standardLakehouse, second].entries()) {
    const own = await newLakehouse()
    try {
      await writeInput(own, values!)
      await runOnce(own, { ...crashOptions, recordsPerBatchMax, lakehouse, finalize: true })
      const { fraud_detection: rows } = await readTables(own.base)
      expected.set(version + 1, new Map(rows.map((row) => [String(row.offset), textOf(row)])))
    } finally {
      await own.remove()
    }
  }
})
afterAll(() => expected.clear())

for (const step of stepNames.filter((_, index) => isItsTurn(seed, index, 4))) {
  test.concurrent(`killed at "${step}", and gone on by version 2`, async () => {
    const lakehouse = await newLakehouse()
    const what = `repeat with SEED=${seed}`
    try {
      await writeInput(lakehouse, values!)
      const { base, input } = lakehouse
      const at = { step, occurrence: 1, signal: 'SIGKILL' } as const
      const ended = await runChild({ base, input, recordsPerBatchMax, finalize: true, at })
      expect(ended.signal, what).toBe('SIGKILL')
      const begun = await batchesOfLog(base).catch(() => null)
      const options = { ...crashOptions, recordsPerBatchMax, lakehouse: second, finalize: true }
      await runOnce(lakehouse, options)
      const { fraud_detection: rows } = await readTables(base)
      expect(rows.map(({ offset }) => String(offset)).sort(), what).toEqual(
        [...expected.get(1)!.keys()].sort(),
      )
      for (const row of rows)
        expect(textOf(row), what).toBe(expected.get(Number(row.rules_version))!.get(String(row.offset)))
      const versions = Map.groupBy(rows, (row) => String(row.processing_time))
      for (const ofBatch of versions.values())
        expect(new Set(ofBatch.map(({ rules_version: version }) => version)).size, what).toBe(1)
      // What the first process began is by its rules; what it had not begun is by the others.
      const byFirst = rows.filter(({ rules_version: version }) => version === 1n)
      if (begun === null) expect(byFirst, what).toEqual([])
      const { delays, parameters, duckdb } = testOptions
      const proof = { lakehouse: second, deltaBasePath: base, parameters, delays, duckdb, sinceMicros: null }
      const { checks } = await verifyLakehouse(proof, null)
      expect(
        checks.flatMap(({ findings }) => findings),
        what,
      ).toEqual([])
    } finally {
      await lakehouse.remove()
    }
  })
}

/** A row without its times, which another process gives it. */
function textOf({ processing_time: _, ...row }: Row): string {
  return JSON.stringify(row, (_, cell: unknown) => (typeof cell === 'bigint' ? `${cell}n` : cell))
}
