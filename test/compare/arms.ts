// Arms of customers as Python's hashlib has them, from the sentence that says what an arm is.
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import fc from 'fast-check'
import type { Expr } from '../../src/expr/index.ts'
import { armDigits, armOf } from '../../src/fraud/arms.ts'
import { columnName, plainTypes } from '../generate/expressions.ts'
import type { GivenRow } from './evaluators.ts'

export type ArmCase = { readonly name: string; readonly share: number; readonly key: string | null }

const program = `
import hashlib, json, sys
def arm(case):
    if case["key"] is None:
        return "control"
    digest = hashlib.sha256((case["name"] + "|" + case["key"]).encode("utf-8")).hexdigest()
    return "candidate" if int(digest[:13], 16) / 16 ** 13 < case["share"] else "control"
print(json.dumps([arm(case) for case in json.load(sys.stdin)]))
`

export function armsOfPython(cases: readonly ArmCase[]): readonly string[] {
  const ended = spawnSync('python3', ['-c', program], { input: JSON.stringify(cases), encoding: 'utf8' })
  if (ended.status !== 0) throw new Error(`python3 failed: ${ended.error?.message ?? ended.stderr}`)
  return JSON.parse(ended.stdout)
}

/** Keys of all kinds; shares at random, and such that a key lies exactly on the bound or just below it. */
export function anyArms(seed: number, count: number): readonly ArmCase[] {
  const name = fc.constantFrom('spring', 'less-friction_2', 'x')
  const key = fc.option(
    fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.integer().map(String), fc.constant('|')),
    { freq: 8 },
  )
  const share = fc.oneof(
    fc.constantFrom(0.01, 0.1, 0.5, 0.9),
    fc.double({ min: 1e-6, max: 1 - 1e-9, noNaN: true }),
  )
  const step = fc.constantFrom(null, 0, 1)
  return fc
    .sample(fc.record({ name, key, share, step }), { seed, numRuns: count })
    .map(({ name, key, share, step }) => {
      const digits = hash('sha256', `${name}|${key ?? ''}`, 'hex').slice(0, armDigits)
      const bound = step === null ? share : (Number.parseInt(digits, 16) + step) / 16 ** armDigits
      return { name, key, share: bound }
    })
}

const keyColumn = { kind: 'column', name: columnName('string'), type: 'string' } as const

/** One expression and one row for each case: of the table of both, the diagonal is what is asked. */
export function armExpressions(cases: readonly ArmCase[]): readonly Expr[] {
  return cases.map((one) => armOf(one, keyColumn))
}

export function armRows(cases: readonly ArmCase[]): readonly GivenRow[] {
  return cases.map(({ key }) => plainTypes.map((type) => (type === 'string' ? key : null)))
}
