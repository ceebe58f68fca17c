// Verdicts beside everything else that happens to a lakehouse: erasures, copies, compaction, rebuilds, a
// store.
import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { mountStore } from '../../../src/delta/mounts.ts'
import { backUp, restoreBackup } from '../../../src/engines/backup.ts'
import { Database } from '../../../src/engines/database.ts'
import { erasePersons, findErasable } from '../../../src/engines/erase.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { claimsPath } from '../../../src/ops/claims.ts'
import { verdictsPath } from '../../../src/ops/verdicts.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { memoryStore } from '../../crash/memory-store.ts'
import { eraseOptions } from '../engine/erased-person.ts'
import { verifiedChecks } from '../engine/kept-days.ts'
import { openByHand, type Reviewed, reviewedLakehouse, takenCase, verdictRows } from './reviewed.ts'

const given = { verdict: 'fraud', reason: null, note: null } as const
const { signal } = new AbortController()

let reviewed: Reviewed
afterEach(async () => {
  setStepHook(null)
  await reviewed.remove()
})

const failedChecks = async (base: string) =>
  (await verifiedChecks(base)).filter(({ ok }) => !ok).map(({ findings }) => findings)

describe('on a disk', () => {
  beforeEach(async () => {
    reviewed = await reviewedLakehouse()
    await reviewed.add(0, 60)
  })

  /** Of everybody, with a note that names the person. */
  async function decideAll(): Promise<ReadonlyMap<string, number>> {
    const desk = await reviewed.desk()
    const persons = new Map<string, number>()
    for (const one of (await desk.view('ann', 'age')).cases) {
      const person = Number(one.cells.user_id)
      persons.set(String(one.cells.transaction_id), person)
      await desk.decide('ann', one.place, { ...given, note: `person-${person}-wrote` })
    }
    return persons
  }

  const erasing = () => ({ ...eraseOptions, deltaBasePath: reviewed.base })

  test('an erasure takes the verdicts of a person, with every file and log entry that held them', async () => {
    const persons = await decideAll()
    const [person] = persons.values()
    const own = [...persons].filter(([, one]) => one === person).map(([id]) => id)
    const desk = await reviewed.desk()
    await desk.view('bob', 'age')
    expect((await findErasable(erasing(), [BigInt(person!)])).rows[verdictsPath]).toBe(BigInt(own.length))
    const report = await erasePersons(erasing(), [BigInt(person!)])
    expect(report.rows[verdictsPath]).toBe(BigInt(own.length))
    const left = (await verdictRows(reviewed)).map(({ event }) => event)
    expect(left).toEqual([...persons.keys()].filter((id) => !own.includes(id)))
    for await (const name of glob('**/*', { cwd: join(reviewed.base, verdictsPath), withFileTypes: true })) {
      if (!name.isFile()) continue
      const text = await readFile(join(name.parentPath, name.name), 'latin1')
      expect(text.includes(`person-${person}-wrote`), name.name).toBe(false)
    }
    expect(await failedChecks(reviewed.base)).toEqual([])
    // A desk that was there before goes on, and numbers go on too.
    await reviewed.add(60, 63)
    const one = takenCase(await desk.next('bob', 'age'))
    expect(await desk.decide('bob', one.place, given)).toMatchObject({ kind: 'decided' })
    expect((await verdictRows(reviewed)).at(-1)!.sequence).toBeGreaterThan(persons.size)
  })

  test('a verdict that is given while its transaction is erased is refused', async () => {
    const desk = await reviewed.desk()
    const one = takenCase(await desk.next('ann', 'age'))
    const first = (await desk.view('ann', 'age')).cases.at(-1)!
    await desk.decide('ann', first.place, given)
    const answers: string[] = []
    setStepHook(async (name) => {
      if (name !== 'all runs paused' && name !== 'erasure carried') return
      const answer = await desk.decide('ann', one.place, given)
      answers.push(answer.kind === 'refused' ? answer.why : answer.kind)
    })
    await erasePersons(erasing(), [BigInt(Number(one.cells.user_id))])
    setStepHook(null)
    const after = await desk.decide('ann', one.place, given)
    expect([...answers, after.kind === 'refused' && after.why]).toEqual(['erasing', 'erasing', 'gone'])
    expect((await verdictRows(reviewed)).map(({ event }) => event)).toEqual([first.cells.transaction_id])
  })

  test('they are in a copy, which is no place to decide, and in what is brought back of it', async () => {
    const desk = await reviewed.desk()
    const one = takenCase(await desk.next('ann', 'age'))
    await desk.decide('ann', one.place, given)
    const place = (name: string) => join(reviewed.base, '..', name)
    const of = { lakehouse: standardLakehouse, backupPath: place('copy'), signal }
    await backUp({ ...of, deltaBasePath: reviewed.base })
    await restoreBackup({ ...of, deltaBasePath: place('restored') })
    const expected = await openByHand(reviewed)
    const [copied, restored] = await Promise.all(
      ['copy', 'restored'].map((name) => reviewed.deskOf(place(name))),
    )
    for (const other of [copied!, restored!]) {
      const ids = (await other.view('bob', 'age')).cases.map(({ cells }) => String(cells.transaction_id))
      expect(ids.sort()).toEqual(expected)
    }
    await expect(copied!.next('bob', 'age')).rejects.toMatchObject({ code: 'COPY_NOT_WRITABLE' })
    const next = takenCase(await restored!.next('bob', 'age'))
    expect(await restored!.decide('bob', next.place, given)).toEqual({ kind: 'decided', sequence: 2n })
    expect(await failedChecks(place('restored'))).toEqual([])
  })

  test('compaction of the scored table is no news, and what was there is read again where it was cleaned up', async () => {
    const desk = await reviewed.desk()
    await reviewed.add(60, 90)
    await desk.view('ann', 'age')
    const database = await Database.open({
      spillDirectory: join(reviewed.base, 'spill'),
      memoryLimitBytes: null,
      threads: 1,
    })
    const table = await DeltaTable.open(join(reviewed.base, 'fraud_detection'))
    expect((await table.optimize(database.batch)).kind).toBe('compacted')
    await table.vacuum({ retentionMs: 0, force: true })
    await reviewed.add(90, 120)
    await table.checkpoint()
    reviewed.nowMs += 1_000
    const ids = (await desk.view('ann', 'age')).cases.map(({ cells }) => String(cells.transaction_id))
    expect(ids.sort()).toEqual(await openByHand(reviewed))
    expect(ids.length).toBe(40)
    database.close()
  })

  test('many small files become few, and claims that are over go', async () => {
    const desk = await reviewed.desk()
    let skip = takenCase(await desk.next('ann', 'age')).place
    for (let index = 0; index < 60; index++) {
      if (index === 30) reviewed.nowMs += 2 * 24 * 3_600_000
      const answer = await desk.next('ann', 'age', skip)
      if (answer === null) reviewed.nowMs += 11 * 60_000
      else skip = takenCase(answer).place
    }
    const table = await DeltaTable.open(join(reviewed.base, claimsPath))
    expect((await table.snapshot()).files.size).toBeLessThan(30)
    const [oldest] = await reviewed.rows(`select min("at") >= '2026-11-04' from review.claims`)
    expect(oldest).toEqual(['true'])
  })
})

test('in an object store, two desks at once give each case one verdict', async () => {
  const store = memoryStore('s3://reviewed/lakehouse')
  reviewed = await reviewedLakehouse(store.url)
  mountStore(store, join(reviewed.directory, 'cache'), 2 ** 30)
  await reviewed.add(0, 30)
  const desks = [await reviewed.desk(), await reviewed.desk()]
  const work = async (reviewer: string, index: number): Promise<void> => {
    for (;;) {
      const answer = await desks[index]!.next(reviewer, 'score')
      if (answer === null) return
      await desks[1 - index]!.decide(reviewer, takenCase(answer).place, given)
    }
  }
  await Promise.all([work('ann', 0), work('bob', 1)])
  const events = (await verdictRows(reviewed)).map(({ event }) => event)
  expect(events.length).toBe(10)
  expect(new Set(events).size).toBe(10)
})
