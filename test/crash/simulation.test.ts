// Many interleavings of writers that die, pause and rival each other, each replayed by its seed:
// SEED=17 SIMULATIONS=1 npx vitest run --project crash test/crash/simulation.test.ts
import { expect, test } from 'vitest'
import type { Disk } from '../../src/delta/disk.ts'
import { type Simulated, simulate, simulateInStore, simulateOnDisk } from './simulation.ts'

const firstSeed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const simulations = Number(process.env.SIMULATIONS ?? 300)
/** On the disk of this machine a run takes longer by far. */
const simulationsOnDisk = Math.min(simulations, 5)
const simulationsInStore = Math.ceil(simulations / 20)

test(`${simulations} simulated runs end with every batch in every table once`, async () => {
  const sums = { steps: 0, starts: 0, deaths: 0, fenced: 0 }
  const cpuBefore = process.cpuUsage()
  for (const seed of seedsFrom(firstSeed, simulations)) {
    const figures = await named(seed, simulate(seed))
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += figures[name]
  }
  const { user, system } = process.cpuUsage(cpuBefore)
  const coreSeconds = Math.round((user + system) / 1e6)
  console.log(`simulated from seed ${firstSeed}: ${JSON.stringify({ simulations, coreSeconds, ...sums })}`)
  if (simulations < 20) return
  expect(sums.deaths).toBeGreaterThan(0)
  expect(sums.fenced).toBeGreaterThan(0)
})

test('a seed is played on a real disk as it is in memory', async () => {
  for (const seed of seedsFrom(firstSeed, simulationsOnDisk)) {
    expect(await named(seed, simulateOnDisk(seed)), `SEED=${seed}`).toEqual(await simulate(seed))
  }
})

test('simulated runs whose tables have a checkpoint every few commits end as the others', async () => {
  for (const seed of seedsFrom(firstSeed, simulationsOnDisk)) {
    const { checkpoints } = await named(seed, simulateOnDisk(seed, { 'delta.checkpointInterval': '4' }))
    expect(checkpoints, `SEED=${seed}`).toBeGreaterThan(0)
  }
})

test(`${simulationsInStore} simulated runs in an object store that loses answers end as those on a disk`, async () => {
  const sums = { steps: 0, starts: 0, deaths: 0, fenced: 0 }
  for (const seed of seedsFrom(firstSeed, simulationsInStore)) {
    const figures = await named(seed, simulateInStore(seed))
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += figures[name]
  }
  console.log(`simulated from seed ${firstSeed}: ${JSON.stringify({ simulationsInStore, ...sums })}`)
})

test('runs on a disk that gives a name away twice end with rows lost', async () => {
  const replacing = (disk: Disk): Disk => ({
    ...disk,
    link: async (from, to) => {
      await disk.remove(to)
      await disk.link(from, to)
    },
  })
  const runs = seedsFrom(firstSeed, 20)
  let found = 0
  for (const seed of runs) await simulate(seed, replacing).catch(() => (found += 1))
  expect(found, `SEED=${firstSeed}`).toBeGreaterThan(runs.length / 4)
})

function seedsFrom(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => (first + index) % 2 ** 31)
}

async function named(seed: number, run: Promise<Simulated>): Promise<Simulated> {
  try {
    return await run
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : cause
    throw new Error(`repeat with SEED=${seed} SIMULATIONS=1: ${what}`, { cause })
  }
}
