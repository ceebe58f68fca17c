// Many experiments that are made up, looked at every day for 60 days: how often each way of looking tells a
// difference where there is none, and how soon one that there is.
// Run: npm run test:experiments -- [experiments] [seed]
import { experimentAlpha, sharesAlpha } from '../../src/experiments/figures.ts'
import {
  type MadeExperiment,
  outcomesOf,
  withDifference,
  withoutDifference,
} from '../generate/experiments.ts'

/** Of those that tell something, fewer say how soon. */
const withDifferenceShare = 0.1

type Case = { readonly name: string; readonly experiment: MadeExperiment; readonly isSame: boolean }

const cases: readonly Case[] = [
  { name: 'no difference, 10 % of 3,000 customers', experiment: withoutDifference, isSame: true },
  { name: 'no difference, 50 % of 3,000', experiment: { ...withoutDifference, share: 0.5 }, isSame: true },
  { name: 'less fraud and fewer reviews, 50 % of 3,000', experiment: withDifference, isSame: false },
  {
    name: 'the same, 10 % of 10,000',
    experiment: { ...withDifference, share: 0.1, customers: 10_000 },
    isSame: false,
  },
  {
    name: 'no difference, 15 % of the customers of the candidate lost, 50 % of 3,000',
    experiment: { ...withoutDifference, share: 0.5, lost: 0.15 },
    isSame: false,
  },
]

function main(count: number, seed: number): void {
  console.log(`seed ${seed}; the risk is ${experimentAlpha * 100} %, of the shares ${sharesAlpha * 100} %`)
  for (const { name, experiment, isSame } of cases) {
    const made = isSame ? count : Math.ceil(count * withDifferenceShare)
    const told = outcomesOf(experiment, seed, made)
    const percent = (of: number): string => `${((of / made) * 100).toFixed(2)} %`
    console.log(
      `${name} (${made} experiments): told ${percent(told.falseAlarms)}, median day ${told.medianDays}; ` +
        `the fixed test ${percent(told.falseAlarmsOfFixed)}; true difference outside ${percent(told.missed)}; ` +
        `shares told ${percent(told.sharesTold)}, median day ${told.medianDaysOfShares}`,
    )
    const mostFalse = made * experimentAlpha + 3 * Math.sqrt(made * experimentAlpha)
    if (isSame && Math.max(told.falseAlarms, told.missed) > mostFalse) process.exitCode = 1
  }
}

if (import.meta.main) main(Number(process.argv[2] ?? 2_000), Number(process.argv[3] ?? Date.now() % 2 ** 31))
