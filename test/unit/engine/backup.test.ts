// A lakehouse is copied while it runs, and goes on from the copy as if nothing had been, wherever that is.
import { existsSync } from 'node:fs'
import { appendFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeltaTable } from '../../../src/delta/index.ts'
import { mountStore } from '../../../src/delta/mounts.ts'
import { backUp, restoreBackup } from '../../../src/engines/backup.ts'
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { manifestKey } from '../../../src/ops/backup.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { differences } from '../../compare/differences.ts'
import { readTables } from '../../compare/read-in-process.ts'
import { memoryStore } from '../../crash/memory-store.ts'
import { takingTurns, turnSeed } from '../../turns.ts'
import { noonOf, valuesOf, verifiedChecks } from './kept-days.ts'
import { type Lakehouse, newLakehouse, runOnce, writeInput } from './pipeline.ts'
import { rowsOfTable } from './written-tables.ts'

const made: Lakehouse[] = []
const another = async (): Promise<Lakehouse> => {
  const lakehouse = await newLakehouse()
  made.push(lakehouse)
  return lakehouse
}
beforeEach(takingTurns(turnSeed, 3, 1))

afterEach(async () => {
  setStepHook(null)
  for (const one of made.splice(0)) await one.remove()
})

const values = valuesOf(3)
const { signal } = new AbortController()
const copyOf = (deltaBasePath: string, backupPath: string) => ({
  ...{ lakehouse: standardLakehouse, deltaBasePath, backupPath, signal },
})

/** With a clock that stands still the times of batches are those of every other run of them. */
async function run(
  { base, input }: Lakehouse,
  count: number,
  from = base,
  tableProperties = {},
): Promise<void> {
  const of = { base: from, input, remove: async () => undefined }
  await writeInput(of, values.slice(0, count))
  await runOnce(of, { recordsPerBatchMax: 6, clock: () => noonOf(4), tableProperties })
}

test('a copy that is made while batches come goes on to the same rows, and is proved', async () => {
  const lakehouse = await another()
  await run(lakehouse, 12)
  const copy = join(lakehouse.base, '..', 'copy')
  await Promise.all([run(lakehouse, values.length), backUp(copyOf(lakehouse.base, copy))])
  const restored = join(lakehouse.base, '..', 'restored')
  const { batch } = await restoreBackup(copyOf(restored, copy))
  expect(batch).toBeGreaterThanOrEqual(2n)
  await run(lakehouse, values.length, restored)
  expect(differences(await readTables(restored), await readTables(lakehouse.base))).toEqual([])
  expect((await verifiedChecks(restored)).filter(({ ok }) => !ok)).toEqual([])
})

test('a copy has all batches, also those that the journal does not know yet and a checkpoint covers', async () => {
  const lakehouse = await another()
  const copy = join(lakehouse.base, '..', 'copy')
  const properties = { 'delta.checkpointInterval': '2' }
  let batches = 0
  setStepHook(async (name) => {
    if (name !== 'batch ended' || ++batches !== 5) return
    setStepHook(null)
    await backUp(copyOf(lakehouse.base, copy))
  })
  await run(lakehouse, 36, lakehouse.base, properties)
  const restored = join(lakehouse.base, '..', 'restored')
  expect((await restoreBackup(copyOf(restored, copy))).batch).toBeGreaterThanOrEqual(4n)
  await run(lakehouse, 36, restored, properties)
  const noted = await rowsOfTable(join(restored, 'ops/batches'))
  expect(noted.map(({ batch }) => Number(batch)).sort((a, b) => a - b)).toEqual(noted.map((_, at) => at + 1))
  expect(differences(await readTables(restored), await readTables(lakehouse.base))).toEqual([])
})

test('a lakehouse that went back and on is copied over what it was, also where the copy was killed', async () => {
  const lakehouse = await another()
  const place = (name: string): string => join(lakehouse.base, '..', name)
  await run(lakehouse, 12)
  await backUp(copyOf(lakehouse.base, place('old')))
  await run(lakehouse, 24)
  await backUp(copyOf(lakehouse.base, place('copy')))
  await restoreBackup(copyOf(place('back'), place('old')))
  const back = { ...lakehouse, base: place('back') }
  await writeInput(back, [...values.slice(0, 12), ...values.slice(36, 48)])
  await runOnce(back, { recordsPerBatchMax: 6, clock: () => noonOf(4) })
  setStepHook((name) => {
    if (name === 'copy begun') throw new Error('ended here')
  })
  await expect(backUp(copyOf(back.base, place('copy')))).rejects.toThrow('ended here')
  setStepHook(null)
  await backUp(copyOf(back.base, place('copy')))
  await restoreBackup(copyOf(place('restored'), place('copy')))
  expect(differences(await readTables(place('restored')), await readTables(back.base))).toEqual([])
})

test('copies go to a store and back, bring only what is new, and are carried on where they ended', async () => {
  const lakehouse = await another()
  const store = memoryStore('s3://copies/of')
  mountStore(store, join(lakehouse.base, '..', 'cache'), 2 ** 30)
  await run(lakehouse, 24)
  const options = copyOf(lakehouse.base, store.url)
  const first = await backUp(options)
  expect(first.copied.files).toBe(first.files)
  await run(lakehouse, 48)
  setStepHook((name) => {
    if (name === 'tables copied') throw new Error('ended here')
  })
  await expect(backUp(options)).rejects.toThrow('ended here')
  const restored = join(lakehouse.base, '..', 'restored')
  await expect(restoreBackup(copyOf(restored, store.url))).rejects.toThrow('ended here')
  setStepHook(null)
  const notWritable = { code: 'COPY_NOT_WRITABLE' }
  await expect(run(lakehouse, 48, restored)).rejects.toMatchObject(notWritable)
  // What is named is the first copy still.
  expect((await restoreBackup(copyOf(restored, store.url))).batch).toBe(first.batch)
  expect((await backUp(options)).copied.files).toBe(0)
  expect([...store.objects.keys()].some((key) => key.startsWith('_checkpoints'))).toBe(false)
  await run(lakehouse, 48, restored)
  expect(differences(await readTables(restored), await readTables(lakehouse.base))).toEqual([])
})

test('of two copies to one place at once the one that began last is made', async () => {
  const lakehouse = await another()
  await run(lakehouse, 12)
  const copying = copyOf(lakehouse.base, join(lakehouse.base, '..', 'copy'))
  setStepHook(async (name) => {
    if (name !== 'copy begun') return
    setStepHook(null)
    await backUp(copying)
  })
  await expect(backUp(copying)).rejects.toMatchObject({ code: 'BACKUP_REFUSED' })
  const restored = join(lakehouse.base, '..', 'restored')
  await restoreBackup(copyOf(restored, copying.backupPath))
  expect(differences(await readTables(restored), await readTables(lakehouse.base))).toEqual([])
})

test('a place that has something else is refused, and a file that is missing or cut is told', async () => {
  const lakehouse = await another()
  const other = await another()
  await run(lakehouse, 12)
  await run(other, 12)
  const copy = join(lakehouse.base, '..', 'copy')
  const refused = { code: 'BACKUP_REFUSED' }
  await expect(restoreBackup(copyOf(join(copy, 'x'), other.base))).rejects.toMatchObject(refused)
  await expect(backUp(copyOf(lakehouse.base, join(lakehouse.base, 'copy')))).rejects.toMatchObject(refused)
  await backUp(copyOf(lakehouse.base, copy))
  await expect(run(lakehouse, 12, copy)).rejects.toMatchObject({ code: 'COPY_NOT_WRITABLE' })
  await expect(backUp(copyOf(other.base, copy))).rejects.toMatchObject(refused)
  await expect(backUp(copyOf(lakehouse.base, other.base))).rejects.toMatchObject(refused)
  await expect(restoreBackup(copyOf(other.base, copy))).rejects.toMatchObject(refused)
  const silver = await DeltaTable.open(join(copy, 'silver/transactions'))
  const [file] = (await silver.snapshot()).files.values()
  await truncate(join(silver.directory, file!.path), 10)
  const broken = restoreBackup(copyOf(join(copy, '..', 'restored'), copy))
  await expect(broken).rejects.toMatchObject({ code: 'BACKUP_BROKEN' })
  await expect(backUp(copyOf(lakehouse.base, join(copy, 'daily')))).rejects.toMatchObject(refused)
  const tables = standardLakehouse.tables.filter(({ path }) => path !== 'aggregations/country')
  const elsewhere = { ...copyOf(lakehouse.base, copy), lakehouse: { ...standardLakehouse, tables } }
  await expect(backUp(elsewhere)).rejects.toMatchObject(refused)
  // The next copy brings it again, and leaves alone what is not of it.
  const [note, left] = ['note.txt', 'silver/transactions/left.parquet'].map((name) => join(copy, name))
  for (const path of [note!, left!]) await writeFile(path, 'of somebody')
  expect((await backUp(copyOf(lakehouse.base, copy))).copied.files).toBe(1)
  expect([note, left].map((path) => existsSync(path!))).toEqual([true, false])
  const source = await DeltaTable.open(join(lakehouse.base, 'silver/transactions'))
  const [lost] = (await source.snapshot()).files.keys()
  await rm(join(source.directory, lost!))
  const isBroken = backUp(copyOf(lakehouse.base, join(copy, '..', 'another')))
  await expect(isBroken).rejects.toMatchObject({ code: 'BACKUP_BROKEN' })
  await appendFile(join(copy, manifestKey), 'x')
  await expect(backUp(copyOf(lakehouse.base, copy))).rejects.toMatchObject(refused)
})
