// Long lists of cases take turns: a start of the tests runs a part of each list, the next one another part,
// and `npm run test:long` all of them.
import type { TestContext } from 'vitest'

/** True where all cases are run at once. */
export const isLong = process.env.LONG !== undefined

/** Says whose turn it is, in files that use it for nothing else. */
export const turnSeed = Number(process.env.SEED ?? Date.now() % 2 ** 31)

/** True for one of so many cases after one another. */
export function isItsTurn(seed: number, index: number, cases: number): boolean {
  return isLong || (seed + index) % cases === 0
}

/**
 * For `beforeEach` where each test is long: one of so many after one another is run, the others are skipped.
 * The first tests can be left out of it: they always run.
 */
export function takingTurns(seed: number, cases: number, always = 0): (context: TestContext) => void {
  return ({ task, skip }) => {
    const index = (task.suite ?? task.file).tasks.indexOf(task)
    skip(index >= always && !isItsTurn(seed, index, cases), 'npm run test:long runs it')
  }
}
