// What is kept of decisions until they are on their topic, by whomever: nothing is left out, nothing stays.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Decision } from '../../../src/decisions/decision-answer.ts'
import { type DecidedRecord, DecisionLedger } from '../../../src/decisions/decision-ledger.ts'
import { turnSeed as seed } from '../../turns.ts'

const at = { topic: 't', partition: 0 }
const key = 't\n0'
const next = (offset: bigint) => new Map([[key, { ...at, offset }]])

function recordAt(offset: number): DecidedRecord {
  const decision: Decision = {
    ...{ ...at, offset: String(offset), decision: 'refused', id: `t/0/${offset}` },
    ...{ reasons: [], version: 'v' },
  }
  return { decision, offset: BigInt(offset), sequence: offset, key: null, headers: null, timestampMs: null }
}

const waiting = (ledger: DecisionLedger): number[] =>
  ledger.waitingOf([key], 1_000).map(({ offset }) => Number(offset))

test('a record waits until its decision is seen, or the group has it', () => {
  const ledger = new DecisionLedger(next(2n))
  for (const offset of [0, 1, 2, 3, 4]) ledger.add(recordAt(offset), 10 + offset)
  expect(waiting(ledger)).toEqual([2, 3, 4])
  ledger.onPublished(at, 3n)
  expect(waiting(ledger)).toEqual([2, 4])
  expect(ledger.waitingSince(13)).toEqual([at])
  expect(ledger.waitingSince(12)).toEqual([])
  expect(ledger.publishedBefore(next(5n))).toEqual(next(2n))
  ledger.onCommitted(next(3n))
  expect(waiting(ledger)).toEqual([4])
  expect(ledger.publishedBefore(next(5n))).toEqual(next(4n))
  ledger.onCommitted(next(9n))
  expect([waiting(ledger), ledger.count]).toEqual([[], 0])
  // A group does not go back to where this process is.
  expect(ledger.publishedBefore(next(5n))).toEqual(next(9n))
})

test('a decision that is on its topic before this process gets to the record is not waited for', () => {
  const ledger = new DecisionLedger(new Map())
  ledger.onPublished(at, 1n)
  ledger.onPublished(at, 2n)
  expect([0, 1, 2, 3].map((offset) => ledger.add(recordAt(offset), 0))).toEqual([true, false, false, true])
  expect(waiting(ledger)).toEqual([0, 3])
})

test(`whatever order things come in, what waits is neither seen nor committed (repeat with SEED=${seed})`, () => {
  const step = fc.oneof(
    fc.constant({ kind: 'add' } as const),
    fc.record({ kind: fc.constant('seen' as const), offset: fc.nat(30) }),
    fc.record({ kind: fc.constant('committed' as const), offset: fc.nat(30) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const ledger = new DecisionLedger(new Map())
      const seen = new Set<number>()
      let [added, committed] = [0, 0]
      for (const one of steps) {
        if (one.kind === 'add') ledger.add(recordAt(added++), 0)
        else if (one.kind === 'seen') {
          seen.add(one.offset)
          ledger.onPublished(at, BigInt(one.offset))
        } else {
          committed = Math.max(committed, one.offset)
          ledger.onCommitted(next(BigInt(one.offset)))
        }
        const all = Array.from({ length: added }, (_, offset) => offset)
        const expected = all.filter((offset) => offset >= committed && !seen.has(offset))
        expect(waiting(ledger)).toEqual(expected)
        expect(ledger.count).toBe(expected.length)
      }
    }),
    { seed },
  )
})
