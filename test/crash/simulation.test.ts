// Many interleavings of writers that die, pause and rival each other, each replayed by its seed:
// SEED=17 SIMULATIONS=1 npx vitest run --project crash test/crash/simulation.test.ts
import { expect, test } from 'vitest'
import { simulate } from './simulation.ts'

const firstSeed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const simulations = Number(process.env.SIMULATIONS ?? 300)

test(`${simulations} simulated runs end with every batch in every table once`, async () => {
  const sums = { steps: 0, starts: 0, deaths: 0, fenced: 0 }
  for (let index = 0; index < simulations; index++) {
    const seed = (firstSeed + index) % 2 ** 31
    const figures = await simulate(seed).catch((error: unknown) => {
      throw new Error(
        `repeat with SEED=${seed} SIMULATIONS=1: ${error instanceof Error ? error.message : error}`,
        {
          cause: error,
        },
      )
    })
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += figures[name]
  }
  console.log(`simulated from seed ${firstSeed}: ${JSON.stringify({ simulations, ...sums })}`)
  expect(sums.deaths).toBeGreaterThan(0)
  expect(sums.fenced).toBeGreaterThan(0)
})
