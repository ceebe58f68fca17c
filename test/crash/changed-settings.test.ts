// A process is killed at every named step, and the next one has other settings: what the first one decided
// stays, and only what comes after it is decided anew.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stepNames } from '../../src/steps/step.ts'
import { batchesOfLog } from '../compare/batches-of-log.ts'
import { judgeLakehouse } from '../compare/judge-lakehouse.ts'
import { readTables } from '../compare/read-in-process.ts'
import { lines } from '../generate/lines.ts'
import { defaultConfig } from '../oracle/oracle.ts'
import { type Row, type Tables, tableNames } from '../oracle/rows.ts'
import { isItsTurn } from '../turns.ts'
import { newLakehouse, recordsOf, runOnce, testOptions, writeInput } from '../unit/engine/pipeline.ts'
import { crashOptions } from './child.ts'
import { runChild } from './processes.ts'

const minute = 60_000_000n
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const [values] = fc.sample(lines(60, 60), { seed, numRuns: 1 })
const records = recordsOf(values!)
const recordsPerBatchMax = Math.ceil(values!.length / 3)

/** Each of them would decide some row differently. */
const others = {
  recordsPerBatchMax: Math.ceil(values!.length / 5),
  parameters: { dedup_micros: minute, high_risk_countries: ['France'] },
  delays: { ...testOptions.delays, silver: 20n * minute, gold: 20n * minute, merchant: 20n * minute },
}

for (const step of stepNames.filter((_, index) => isItsTurn(seed, index, 2))) {
  test.concurrent(`killed at "${step}", and gone on with other settings`, async () => {
    const lakehouse = await newLakehouse()
    try {
      await writeInput(lakehouse, values!)
      const { base, input } = lakehouse
      const at = { step, occurrence: 1, signal: 'SIGKILL' } as const
      const ended = await runChild({ base, input, recordsPerBatchMax, finalize: true, at })
      const what = `repeat with SEED=${seed}`
      expect(ended.signal, what).toBe('SIGKILL')
      const before = await readTables(base).catch(() => null)
      await runOnce(lakehouse, { ...crashOptions, ...others, finalize: true })
      const after = await readTables(base)
      const batches = await batchesOfLog(base)
      // Each batch is judged by the settings that its plan names: those of the process that began it.
      expect(judgeLakehouse(records, after, defaultConfig, batches), what).toEqual([])
      if (before !== null) expect(changedRows(before, after), what).toEqual([])
    } finally {
      await lakehouse.remove()
    }
  })
}

/** Rows that were there and are not any more as they were. */
function changedRows(before: Tables, after: Tables): string[] {
  return tableNames.flatMap((name) => {
    const now = new Set(after[name].map(textOf))
    return before[name]
      .map(textOf)
      .filter((text) => !now.has(text))
      .map((text) => `${name}: ${text}`)
  })
}

function textOf(row: Row): string {
  return JSON.stringify(row, (_, cell: unknown) => (typeof cell === 'bigint' ? `${cell}n` : cell))
}
