// An erasure is killed at every one of its steps, and at those of its commits. The tables can be written all
// the same, and the next erasure carries it to its end.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { erasePersons } from '../../src/engines/erase.ts'
import { erasureStepNames, type StepName, setStepHook } from '../../src/steps/step.ts'
import {
  eraseOptions,
  isOfPerson,
  person,
  personRecords,
  positionsOf,
  positionText,
  tracesOf,
} from '../unit/engine/erased-person.ts'
import { memorySource } from '../unit/engine/memory-source.ts'
import { type Lakehouse, newLakehouse, runOnce } from '../unit/engine/pipeline.ts'

const records = personRecords()
const first = records.slice(0, 150)
const steps = [
  ...erasureStepNames,
  'commit decided',
  'commit linked',
  'commit durable',
  'checkpoint named',
] as const satisfies readonly StepName[]
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

let whole: Lakehouse
const occurrences = new Map<StepName, number>()

const run = (base: Lakehouse, all: typeof records) =>
  runOnce(base, { recordsPerBatchMax: 60 }, memorySource(all))

beforeAll(async () => {
  whole = await newLakehouse()
  await run(whole, first)
  const counting = await newLakehouse()
  await cp(whole.base, counting.base, { recursive: true })
  setStepHook((name) => void occurrences.set(name, (occurrences.get(name) ?? 0) + 1))
  await erasePersons({ ...eraseOptions, deltaBasePath: counting.base }, [BigInt(person)])
  setStepHook(null)
  await counting.remove()
})
afterAll(() => whole?.remove())

/** The first time, the last, and one more that the seed chooses. */
function chosen(name: (typeof steps)[number]): number[] {
  const count = occurrences.get(name) ?? 0
  const random = 1 + ((seed + steps.indexOf(name) * 7919) % Math.max(count, 1))
  return [...new Set([1, random, count])]
}

for (const name of steps) {
  test(`killed at "${name}"`, async () => {
    expect(occurrences.get(name), `no erasure comes to the step ${name}`).toBeGreaterThan(0)
    for (const occurrence of chosen(name)) {
      const what = `occurrence ${occurrence}, repeat with SEED=${seed}`
      const lakehouse = await newLakehouse()
      try {
        const { base } = lakehouse
        await cp(whole.base, base, { recursive: true })
        const plan = JSON.stringify({ base, step: name, occurrence })
        const child = spawn(process.execPath, [join(import.meta.dirname, 'erase-child.ts'), plan], {
          stdio: 'inherit',
        })
        expect(await once(child, 'close'), what).toEqual([null, 'SIGKILL'])
        await run(lakehouse, records)
        const options = { ...eraseOptions, deltaBasePath: base }
        await erasePersons(options, [])
        await erasePersons(options, [BigInt(person)])
        expect(await tracesOf(base), what).toEqual([])
        const left = records.filter((record) => !isOfPerson(record)).map(positionText)
        expect(await positionsOf(base, 'bronze/transactions'), what).toEqual(left.sort())
        const [silver, quarantine, scored] = [
          await positionsOf(base, 'silver/transactions'),
          await positionsOf(base, 'silver/quarantine'),
          await positionsOf(base, 'fraud_detection'),
        ]
        expect([...silver, ...quarantine].sort(), what).toEqual(left)
        expect(scored, what).toEqual(silver)
      } finally {
        await lakehouse.remove()
      }
    }
  })
}
