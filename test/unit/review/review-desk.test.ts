import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ReviewDesk } from '../../../src/review/desk.ts'
import { type CasePlace, isRefused, type OpenCase } from '../../../src/review/review-answers.ts'
import { randomOf } from '../../generate/random.ts'
import { openByHand, type Reviewed, reviewedLakehouse, takenCase, verdictRows } from './reviewed.ts'

const given = { verdict: 'fraud', reason: null, note: null } as const

const idOf = (one: OpenCase): string => String(one.cells.transaction_id)

async function opened(desk: ReviewDesk): Promise<readonly string[]> {
  const ids = (await desk.view('nobody', 'score')).cases.map(idOf)
  return [...ids].sort()
}

let reviewed: Reviewed
let desk: ReviewDesk
beforeEach(async () => {
  reviewed = await reviewedLakehouse()
  await reviewed.add(0, 30)
  desk = await reviewed.desk()
})
afterEach(() => reviewed.remove())

/** Reads the tables again however lately it was done. */
const later = (ms = 1_000): void => {
  reviewed.nowMs += ms
}

describe('the queue', () => {
  test('has what requires review, and what comes, without what has a final verdict', async () => {
    expect((await opened(desk)).length).toBe(10)
    expect(await opened(desk)).toEqual(await openByHand(reviewed))
    await reviewed.add(30, 60)
    later()
    expect((await opened(desk)).length).toBe(20)
    for (const verdict of ['fraud', 'legitimate', 'unsure'] as const) {
      const one = takenCase(await desk.next('ann', 'score'))
      await desk.decide('ann', one.place, { ...given, verdict })
    }
    later()
    expect(await opened(desk)).toEqual(await openByHand(reviewed))
    expect((await desk.figures()).open).toBe(18)
    expect(await desk.figures()).toMatchObject({
      unsure: 1,
      verdicts: { fraud: 1, legitimate: 1, unsure: 1 },
    })
  })

  test('another process has the same, after a start too', async () => {
    const other = await reviewed.desk()
    await other.view('bob', 'score')
    const one = takenCase(await desk.next('ann', 'score'))
    await desk.decide('ann', one.place, given)
    later()
    const expected = await openByHand(reviewed)
    expect(expected.length).toBe(9)
    expect(await opened(other)).toEqual(expected)
    expect(await opened(await reviewed.desk())).toEqual(expected)
  })

  test.each([
    ['score', 'fraud_score desc, amount desc, event_time'],
    ['money', 'amount desc, fraud_score desc, event_time'],
    ['age', 'event_time'],
    ['loss', 'least(fraud_score, 100) / 100 * amount desc, event_time'],
  ] as const)('by %s comes in that order', async (order, sql) => {
    const rows = await reviewed.rows(
      `select transaction_id from fraud_detection where requires_review order by ${sql}`,
    )
    expect((await desk.view('ann', order)).cases.map(idOf)).toEqual(rows.flat())
  })

  test('what is expected to be lost comes nearer to the share of fraud that was seen in the level', async () => {
    const one = takenCase(await desk.next('ann', 'score'))
    const score = Number(one.cells.fraud_score)
    expect(one.probability).toBeCloseTo(Math.min(score, 100) / 100)
    await desk.decide('ann', one.place, { ...given, verdict: 'legitimate' })
    later()
    const level = one.cells.risk_level
    for (const other of (await desk.view('ann', 'score')).cases) {
      const prior = Math.min(Number(other.cells.fraud_score), 100) / 100
      const expected = other.cells.risk_level === level ? (10 * prior) / 11 : prior
      expect(other.probability).toBeCloseTo(expected, 9)
      expect(other.expectedLoss).toBeCloseTo(expected * Number(other.cells.amount), 6)
    }
  })
})

test('where no run has been, nothing is to be reviewed', async () => {
  const none = await reviewed.deskOf(join(reviewed.directory, 'none'))
  expect(await none.next('ann', 'score')).toBeNull()
  expect(await none.view('ann', 'score')).toMatchObject({ cases: [], figures: { open: 0 } })
})

describe('a case that is taken', () => {
  test('is nobody else’s until its time is over, and comes again to who has it', async () => {
    const other = await reviewed.desk()
    const ann = takenCase(await desk.next('ann', 'score'))
    const bob = takenCase(await other.next('bob', 'score'))
    expect(idOf(bob)).not.toBe(idOf(ann))
    expect(idOf(takenCase(await other.next('ann', 'score')))).toBe(idOf(ann))
    expect(await other.take('bob', ann.place)).toMatchObject({ why: 'held', by: 'ann' })
    expect(await other.decide('bob', ann.place, given)).toMatchObject({ why: 'held', by: 'ann' })
    later(10 * 60_000 + 1)
    expect(idOf(takenCase(await other.next('carl', 'score')))).toBe(idOf(ann))
    expect(await desk.decide('ann', ann.place, given)).toMatchObject({ why: 'held', by: 'carl' })
    expect(await verdictRows(reviewed)).toEqual([])
  })

  test('that is skipped or given back goes to others, the skipped one not to who skipped it', async () => {
    const first = takenCase(await desk.next('ann', 'score'))
    const second = takenCase(await desk.next('ann', 'score', first.place))
    expect(idOf(second)).not.toBe(idOf(first))
    expect(idOf(takenCase(await desk.next('bob', 'score')))).toBe(idOf(first))
    await desk.release('ann')
    expect(idOf(takenCase(await desk.next('carl', 'score')))).toBe(idOf(second))
    await desk.release('bob')
    expect(idOf(takenCase(await desk.next('ann', 'score')))).not.toBe(idOf(first))
  })

  test('is one for each reviewer: another one gives it back', async () => {
    const first = takenCase(await desk.next('ann', 'score'))
    const last = (await desk.view('ann', 'score')).cases.at(-1)!
    takenCase(await desk.take('ann', last.place))
    expect(idOf(takenCase(await desk.next('bob', 'score')))).toBe(idOf(first))
  })
})

describe('a verdict', () => {
  test('says who, when, how long, and what was known', async () => {
    const one = takenCase(await desk.next('ann', 'score'))
    later(42_500)
    await desk.decide('ann', one.place, { verdict: 'fraud', reason: 'stolen card', note: "it's <b>" })
    const [row] = await reviewed.rows(
      `select sequence, verdict, undoes, reason, note, reviewer, taken_at, decided_at, took_seconds, event, topic,
         "partition", "offset", event_time, money, fraud_score, risk_level, rules from review.verdicts`,
    )
    const [scored] = await reviewed.rows(
      `select transaction_id, topic, "partition", "offset", event_time, amount, fraud_score, risk_level, reasons
       from fraud_detection where transaction_id = '${idOf(one)}'`,
    )
    const times = ['2026-11-03 00:00:00+00', '2026-11-03 00:00:42.5+00', '42.5']
    expect(row).toEqual(['1', 'fraud', 'null', 'stolen card', "it's <b>", 'ann', ...times, ...scored!])
  })

  test('was being made since the case was taken, also where that was extended; it is not known of who does not hold it', async () => {
    const one = takenCase(await desk.next('ann', 'score'))
    later(6 * 60_000)
    expect(idOf(takenCase(await desk.next('ann', 'score')))).toBe(idOf(one))
    later(1_000)
    await desk.decide('ann', one.place, given)
    const other = takenCase(await desk.next('ann', 'score'))
    await desk.release('ann')
    later(1_000)
    await desk.decide('ann', other.place, given)
    const rows = await reviewed.rows('select took_seconds from review.verdicts order by sequence')
    expect(rows).toEqual([['361'], ['null']])
  })

  test('on what is decided is refused with who decided, by another process too', async () => {
    const other = await reviewed.desk()
    const one = takenCase(await desk.next('ann', 'score'))
    await other.view('bob', 'score')
    await desk.decide('ann', one.place, given)
    const refusal = await other.decide('bob', one.place, { ...given, verdict: 'legitimate' })
    expect(refusal).toMatchObject({ why: 'decided', by: 'ann', verdict: 'fraud', atMs: reviewed.nowMs })
    expect(await other.take('bob', one.place)).toMatchObject({ why: 'decided' })
    expect((await verdictRows(reviewed)).length).toBe(1)
  })

  test('of who is unsure leaves the case to others', async () => {
    const one = takenCase(await desk.next('ann', 'score'))
    await desk.decide('ann', one.place, { ...given, verdict: 'unsure' })
    expect(idOf(takenCase(await desk.next('ann', 'score')))).not.toBe(idOf(one))
    const again = takenCase(await desk.next('bob', 'score'))
    expect(idOf(again)).toBe(idOf(one))
    expect(again.unsureBy).toEqual(['ann'])
    expect(await desk.decide('bob', one.place, given)).toMatchObject({ kind: 'decided' })
  })

  test('that is taken back opens the case again, once, and only by its reviewer', async () => {
    const other = await reviewed.desk()
    const one = takenCase(await desk.next('ann', 'score'))
    await desk.decide('ann', one.place, given)
    expect(await other.undo('bob', null, false)).toMatchObject({ why: 'nothing to undo' })
    expect(await other.undo('bob', 1n, false)).toMatchObject({ why: 'not yours', by: 'ann' })
    expect(await other.undo('ann', null, false)).toEqual({ kind: 'undone', place: one.place })
    expect(await desk.undo('ann', null, false)).toMatchObject({ why: 'nothing to undo' })
    later()
    expect(await opened(desk)).toEqual(await openByHand(reviewed))
    expect((await opened(desk)).length).toBe(10)
    const rows = await verdictRows(reviewed)
    expect(rows.map(({ verdict, undoes }) => [verdict, undoes])).toEqual([
      ['fraud', null],
      ['null', 1],
    ])
    // Who took it before has it still.
    expect(await desk.decide('bob', one.place, given)).toMatchObject({ why: 'held', by: 'ann' })
    later(10 * 60_000)
    expect(await desk.decide('bob', one.place, given)).toMatchObject({ kind: 'decided' })
    expect(await desk.undo('chief', 3n, true)).toMatchObject({ kind: 'undone' })
  })

  test('counts for the rules that fired', async () => {
    const cases = (await desk.view('ann', 'age')).cases
    for (const [index, one] of cases.entries()) {
      await desk.decide('ann', one.place, { ...given, verdict: index % 4 === 0 ? 'legitimate' : 'fraud' })
    }
    const byHand = new Map<string, { fraud: number; decided: number }>()
    for (const [index, { cells }] of cases.entries()) {
      for (const rule of cells.reasons as readonly string[]) {
        const { fraud, decided } = byHand.get(rule) ?? { fraud: 0, decided: 0 }
        byHand.set(rule, { fraud: fraud + (index % 4 === 0 ? 0 : 1), decided: decided + 1 })
      }
    }
    later()
    const { rules } = await desk.view('ann', 'age')
    expect(byHand.size).toBeGreaterThan(2)
    expect(
      new Map(rules.map(({ rule, fraud, decided }) => [rule, [Number(fraud), Number(decided)]])),
    ).toEqual(new Map([...byHand].map(([rule, { fraud, decided }]) => [rule, [fraud, decided]])))
  })
})

test('reviewers of several processes at once never have the same case, and each case has one verdict', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
  const random = randomOf(seed)
  const desks = [desk, await reviewed.desk(), await reviewed.desk()]
  const held = new Map<string, string>()
  const ofReviewer = new Map<string, CasePlace>()
  const wrong: string[] = []
  const work = async (reviewer: string): Promise<void> => {
    for (;;) {
      const at = desks[Math.floor(random() * desks.length)]!
      const answer = await at.next(reviewer, 'score')
      if (answer === null) return
      const one = takenCase(answer)
      const holder = held.get(idOf(one))
      if (holder !== undefined && holder !== reviewer) wrong.push(`${idOf(one)}: ${holder} and ${reviewer}`)
      held.set(idOf(one), reviewer)
      ofReviewer.set(reviewer, one.place)
      const done = await desks[Math.floor(random() * desks.length)]!.decide(reviewer, one.place, given)
      if (isRefused(done)) wrong.push(`${reviewer}: ${JSON.stringify(done)}`)
    }
  }
  await Promise.all(['ann', 'bob', 'carl', 'dora'].map(work))
  expect(wrong, `repeat with SEED=${seed}`).toEqual([])
  const rows = await verdictRows(reviewed)
  expect(rows.map(({ event }) => event).sort()).toEqual([...held.keys()].sort())
  expect(rows.length).toBe(10)
  expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, index) => index + 1))
})
