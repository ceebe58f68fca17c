// A process is killed at a named step, and the next one goes on by another version of the rules, or by an
// experiment with it: each row is by exactly one version and arm, those that its batch says, and the proof
// holds.
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
const shipped = readFileSync(rulesFile, 'utf8')
const others = shipped.replace(
  'rules:\n',
  'rules:\n  - { name: any_amount, when: amount > 0, points: 1, says: an amount }\n',
)
const second = standardLakehouse.rulesFrom!.by({ version: 2, text: others })
const candidate = { version: 2, text: others }
const experiment = standardLakehouse.rulesFrom!.by({
  ...{ version: 1, text: shipped },
  experiment: { name: 'less-friction', share: 0.5, by: 'user_id', candidate },
})
const lakehouses = { 'version 1': standardLakehouse, 'version 2': second, 'an experiment': experiment }
type By = keyof typeof lakehouses
/** Rows of fraud_detection as undisturbed runs wrote them, by offset. */
const expected = new Map<By, ReadonlyMap<string, string>>()

beforeAll(async () => {
  for (const [by, lakehouse] of Object.entries(lakehouses) as [By, typeof second][]) {
    const own = await newLakehouse()
    try {
      await writeInput(own, values!)
      await runOnce(own, { ...crashOptions, recordsPerBatchMax, lakehouse, finalize: true })
      const { fraud_detection: rows } = await readTables(own.base)
      expected.set(by, new Map(rows.map((row) => [String(row.offset), textOf(row)])))
    } finally {
      await own.remove()
    }
  }
})
afterAll(() => expected.clear())

const cases = stepNames.flatMap((step) => [
  { step, by: 'version 2' as const },
  { step, by: 'an experiment' as const },
])
for (const { step, by } of cases.filter((_, index) => isItsTurn(seed, index, 7))) {
  test.concurrent(`killed at "${step}", and gone on by ${by}`, async () => {
    const lakehouse = await newLakehouse()
    const what = `repeat with SEED=${seed}`
    try {
      await writeInput(lakehouse, values!)
      const { base, input } = lakehouse
      const at = { step, occurrence: 1, signal: 'SIGKILL' } as const
      const ended = await runChild({ base, input, recordsPerBatchMax, finalize: true, at })
      expect(ended.signal, what).toBe('SIGKILL')
      const begun = await batchesOfLog(base).catch(() => null)
      const options = { ...crashOptions, recordsPerBatchMax, lakehouse: lakehouses[by], finalize: true }
      await runOnce(lakehouse, options)
      const { fraud_detection: rows } = await readTables(base)
      expect(rows.map(({ offset }) => String(offset)).sort(), what).toEqual(
        [...expected.get('version 1')!.keys()].sort(),
      )
      for (const row of rows)
        expect(textOf(row), what).toBe(expected.get(decidedBy(row))!.get(String(row.offset)))
      const batches = Map.groupBy(rows, (row) => String(row.processing_time))
      for (const ofBatch of batches.values()) expect(new Set(ofBatch.map(decidedBy)).size, what).toBe(1)
      // What the first process began is by its rules; what it had not begun is by the others.
      const byFirst = rows.filter((row) => decidedBy(row) === 'version 1')
      if (begun === null) expect(byFirst, what).toEqual([])
      const { delays, parameters, duckdb } = testOptions
      const proof = {
        lakehouse: lakehouses[by],
        deltaBasePath: base,
        parameters,
        delays,
        duckdb,
        sinceMicros: null,
      }
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

/** In an experiment every row has an arm. */
function decidedBy({ variant, rules_version: version }: Row): By {
  if (variant !== null) return 'an experiment'
  return version === 1n ? 'version 1' : 'version 2'
}

/** A row without its times, which another process gives it. */
function textOf({ processing_time: _, ...row }: Row): string {
  return JSON.stringify(row, (_, cell: unknown) => (typeof cell === 'bigint' ? `${cell}n` : cell))
}
