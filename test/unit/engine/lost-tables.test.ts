// A table whose directory was deleted: what silver holds is computed again, the rest is refused by name.

import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { check } from '../../../src/cli/check.ts'
import { loadConfig } from '../../../src/config/config.ts'
import { ownerOf } from '../../../src/engines/spark/run.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { differences } from '../../compare/differences.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { lines } from '../../generate/lines.ts'
import { type Lakehouse, newLakehouse, runOnce, testOptions, writeInput } from './pipeline.ts'

const recordsPerBatchMax = 20
let lakehouse: Lakehouse
let values: readonly Buffer[]

beforeEach(async () => {
  lakehouse = await newLakehouse()
  values = fc.sample(lines(120), { seed: 11, numRuns: 1 })[0]!
  await writeInput(lakehouse, values)
  await runOnce(lakehouse, { recordsPerBatchMax, finalize: true })
})
afterEach(() => lakehouse.remove())

const lose = (path: string): Promise<void> => rm(join(lakehouse.base, path), { recursive: true })

/** What `assay check` says. */
async function checked(): Promise<string> {
  let text = ''
  const write = (line: string): void => {
    text += line
  }
  await check(
    write,
    () => loadConfig(standardLakehouse, { DELTA_BASE_PATH: lakehouse.base }, 'absent'),
    lakehouse.input,
  )
  return text
}

test('derived tables are made again as they were, also after a start that failed in the middle', async () => {
  const before = await readTables(lakehouse.base)
  for (const path of ['fraud_detection', 'gold/transactions', 'aggregations/user']) await lose(path)
  expect(await checked()).not.toContain('TABLE_LOST')
  let batches = 0
  setStepHook((name) => {
    if (name === 'batch ended' && ++batches === 3) throw new Error('the machine went away')
  })
  const failing = runOnce(lakehouse, { recordsPerBatchMax })
  await expect(failing).rejects.toThrow('the machine went away')
  setStepHook(null)
  await runOnce(lakehouse, { recordsPerBatchMax })
  expect(differences(await readTables(lakehouse.base), before)).toEqual([])
})

test.each(['bronze/transactions', 'silver/transactions', 'silver/quarantine'])(
  '%s is not begun anew behind the others, at any start, and "assay check" tells that it is lost',
  async (path) => {
    expect(await checked()).not.toContain('TABLE_LOST')
    await lose(path)
    for (let start = 0; start < 2; start++) {
      expect(await checked()).toContain(`FAIL  tables    ${path.replace('/', '.')} is lost (TABLE_LOST)`)
      await expect(runOnce(lakehouse, { recordsPerBatchMax })).rejects.toMatchObject({ code: 'TABLE_LOST' })
      // Spark's session is named before its tables are opened.
      const named = ownerOf({ ...testOptions, deltaBasePath: lakehouse.base })
      await expect(named).rejects.toMatchObject({ code: 'TABLE_LOST' })
    }
    expect(existsSync(join(lakehouse.base, path))).toBe(false)
  },
)
