// An erasure is killed at every one of its steps, and at those of its commits. The tables can be written all
// the same, and the next erasure carries it to its end.
import { cp } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { erasePersons } from '../../src/engines/erase.ts'
import { erasureStepNames, type StepName, setStepHook } from '../../src/steps/step.ts'
import { isItsTurn } from '../turns.ts'
import {
  chargeBack,
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
import { chosenOccurrences } from './occurrences.ts'
import { runErasure } from './processes.ts'

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
  await chargeBack(whole.base)
  const counting = await newLakehouse()
  await cp(whole.base, counting.base, { recursive: true })
  setStepHook((name) => void occurrences.set(name, (occurrences.get(name) ?? 0) + 1))
  await erasePersons({ ...eraseOptions, deltaBasePath: counting.base }, [BigInt(person)])
  setStepHook(null)
  await counting.remove()
})
afterAll(() => whole?.remove())

function chosen(name: (typeof steps)[number]): readonly number[] {
  return chosenOccurrences(seed, steps.indexOf(name), occurrences.get(name) ?? 0)
}

for (const name of steps.filter((_, index) => isItsTurn(seed, index, 2))) {
  test(`killed at "${name}"`, async () => {
    expect(occurrences.get(name), `no erasure comes to the step ${name}`).toBeGreaterThan(0)
    for (const occurrence of chosen(name)) {
      const what = `occurrence ${occurrence}, repeat with SEED=${seed}`
      const lakehouse = await newLakehouse()
      try {
        const { base } = lakehouse
        await cp(whole.base, base, { recursive: true })
        const plan = { base, step: name, occurrence }
        expect(await runErasure(plan), what).toEqual([null, 'SIGKILL'])
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
