// A process with shadows is killed at a named step, and the next one goes on with others: each batch has the
// rows of exactly those shadows that its plan says, each once and as an undisturbed run wrote them.
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { rulesFile } from '../../src/lakehouse/rules.ts'
import type { RulesVersion } from '../../src/plan/index.ts'
import { stepNames } from '../../src/steps/step.ts'
import { verifyLakehouse } from '../../src/verify/verify.ts'
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
const text = readFileSync(rulesFile, 'utf8')
/** Of every row with an amount each has another score. */
const shadowOf = (version: number) => ({
  version,
  text: text.replace(
    'rules:\n',
    `rules:\n  - { name: any_amount, when: amount > 0, points: ${version}, says: an amount }\n`,
  ),
})
const rulesWith = (...versions: readonly number[]): RulesVersion => {
  return { version: 1, text, shadows: versions.map(shadowOf) }
}
const lakehouseWith = (...versions: readonly number[]) =>
  standardLakehouse.rulesFrom!.by(rulesWith(...versions))
/** Rows of rules/shadow as an undisturbed run wrote them, by offset and version. */
const expected = new Map<string, string>()

beforeAll(async () => {
  const own = await newLakehouse()
  try {
    await writeInput(own, values!)
    await runOnce(own, {
      ...crashOptions,
      recordsPerBatchMax,
      lakehouse: lakehouseWith(2, 3, 4),
      finalize: true,
    })
    for (const row of (await rowsOf(own.base)).shadows) expected.set(keyOf(row), textOf(row))
  } finally {
    await own.remove()
  }
})
afterAll(() => expected.clear())

const cases = stepNames.flatMap((step) => [
  { step, before: [2, 3], after: [3, 4] },
  { step, before: null, after: [2, 3] },
  { step, before: [2, 3], after: [] },
])
for (const { step, before, after } of cases.filter((_, index) => isItsTurn(seed, index, 11))) {
  const was = before === null ? 'no table of shadows' : `shadows ${before.join(' and ')}`
  test.concurrent(`killed at "${step}" with ${was}, and gone on with ${after.join(' and ') || 'none'}`, async () => {
    const lakehouse = await newLakehouse()
    const what = `repeat with SEED=${seed}`
    try {
      await writeInput(lakehouse, values!)
      const { base, input } = lakehouse
      const at = { step, occurrence: 1, signal: 'SIGKILL' } as const
      const rules = before === null ? {} : { rules: rulesWith(...before) }
      const ended = await runChild({ base, input, recordsPerBatchMax, finalize: true, at, ...rules })
      expect(ended.signal, what).toBe('SIGKILL')
      const next = lakehouseWith(...after)
      await runOnce(lakehouse, { ...crashOptions, recordsPerBatchMax, lakehouse: next, finalize: true })
      const { scored, shadows } = await rowsOf(base)
      expect(new Set(shadows.map(keyOf)).size, what).toBe(shadows.length)
      for (const row of shadows) expect(textOf(row), what).toBe(expected.get(keyOf(row)))
      const ofBatches = Map.groupBy(shadows, (row) => String(row.processing_time))
      const sets = [...Map.groupBy(scored, (row) => String(row.processing_time))].map(([time, rows]) => {
        const own = ofBatches.get(time) ?? []
        const versions = [...new Set(own.map((row) => Number(row.rules_version)))].sort()
        expect(own.length, what).toBe(rows.length * versions.length)
        return versions.join()
      })
      const possible = [before ?? [], after].map((versions) => versions.join())
      for (const versions of sets) expect(possible, what).toContain(versions)
      const { delays, parameters, duckdb } = testOptions
      const of = { lakehouse: next, deltaBasePath: base, parameters, delays, duckdb, sinceMicros: null }
      const { checks } = await verifyLakehouse(of, null)
      expect(
        checks.flatMap(({ findings }) => findings),
        what,
      ).toEqual([])
    } finally {
      await lakehouse.remove()
    }
  })
}

async function rowsOf(base: string): Promise<{ readonly shadows: Row[]; readonly scored: Row[] }> {
  const read = (await readTables(base, ['rules/shadow', 'fraud_detection'])) as unknown as Record<
    string,
    Row[]
  >
  return { shadows: read['rules/shadow']!, scored: read.fraud_detection! }
}

function keyOf({ offset, rules_version: version }: Row): string {
  return `${offset} ${version}`
}

/** A row without its time, which another process gives it. */
function textOf({ processing_time: _, ...row }: Row): string {
  return JSON.stringify(row, (_, cell: unknown) => (typeof cell === 'bigint' ? `${cell}n` : cell))
}
