// A person is erased while processes write the lakehouse all the time. They pause and go on, also where the
// erasure or one of them is killed in between.
import { describe, expect, test } from 'vitest'
import { erasePersons } from '../../src/engines/erase.ts'
import { standardLakehouse } from '../../src/lakehouse/index.ts'
import { erasureStepNames, pauseStepNames } from '../../src/steps/step.ts'
import { verifyLakehouse } from '../../src/verify/verify.ts'
import { isItsTurn } from '../turns.ts'
import { eraseOptions, person, positionsOf, tracesOf } from '../unit/engine/erased-person.ts'
import { runOnce } from '../unit/engine/pipeline.ts'
import { failedChecks, verifyOptions } from '../unit/verify/damaged-lakehouse.ts'
import { LivePerson } from './live-person.ts'
import { runErasure } from './processes.ts'

// A start of the tests takes some of the cases: each is three processes under load.
const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

const together: readonly (readonly string[])[] = [standardLakehouse.streams]
const apart: readonly (readonly string[])[] = standardLakehouse.streams.map((stream) => [stream])

async function withLive(
  start: () => Promise<LivePerson>,
  use: (live: LivePerson) => Promise<void>,
): Promise<void> {
  const live = await start()
  try {
    await use(live)
  } finally {
    await live.remove()
  }
}

const erase = (live: LivePerson) =>
  erasePersons({ ...eraseOptions, deltaBasePath: live.lakehouse.base }, [BigInt(person)])

/** The runs go on, and end with the tables that the erasure and they should have made. */
async function endsWell(live: LivePerson): Promise<void> {
  const { base } = live.lakehouse
  await live.end()
  await runOnce(live.lakehouse, { recordsPerBatchMax: 40, finalize: true })
  expect(await tracesOf(base)).toEqual([])
  expect([...new Set(await positionsOf(base, 'ops/erased'))].sort()).toEqual(live.erased)
  expect(await live.differences()).toEqual([])
  expect(failedChecks(await verifyLakehouse(verifyOptions(base), null))).toEqual([])
}

describe.each([
  ['one process', together],
  ['three processes', apart],
] as const)('beside %s', (_, processes) => {
  test('a person is erased twice under load', () =>
    withLive(
      () => LivePerson.start(processes),
      async (live) => {
        const before = await live.batch()
        const report = await erase(live)
        expect(report).toMatchObject({ erase: 1n, records: BigInt(live.erased.length) })
        await live.goesOn()
        expect(await erase(live)).toMatchObject({ erase: null, records: 0n })
        await live.goesOn()
        expect(await live.batch()).toBeGreaterThan(before + 3n)
        await endsWell(live)
      },
    ))
})

describe(`an erasure that is killed while runs pause (SEED=${seed})`, () => {
  for (const step of erasureStepNames.filter((_, index) => isItsTurn(seed, index, 2))) {
    test(`at "${step}" leaves none of them paused, and the next one ends it`, () =>
      withLive(
        () => LivePerson.start(apart),
        async (live) => {
          const plan = { base: live.lakehouse.base, step, occurrence: 1 }
          expect(await runErasure(plan)).toEqual([null, 'SIGKILL'])
          await live.goesOn()
          await live.reached('fraud_detection')
          await erase(live)
          await live.goesOn()
          await endsWell(live)
        },
      ))
  }
})

describe(`a run that is killed (SEED=${seed})`, () => {
  for (const [place, step] of pauseStepNames.entries()) {
    const streams = standardLakehouse.streams.filter((_, index) => isItsTurn(seed, index + place, 3))
    test.each(streams)(`at "${step}" keeps no erasure from its end: %s`, (stream) =>
      withLive(
        () =>
          LivePerson.start(apart, ([first]) =>
            first === stream ? { step, occurrence: 1, signal: 'SIGKILL' } : null,
          ),
        async (live) => {
          expect(await erase(live)).toMatchObject({ erase: 1n, records: BigInt(live.erased.length) })
          await live.replaceKilled([stream])
          await live.goesOn()
          await endsWell(live)
        },
      ),
    )
  }
})
