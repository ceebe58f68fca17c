// Upkeep of a table that is written: properties that follow the definition, checkpoints and clean-up beside
// the commits, and tombstones that are forgotten.
import { readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Disk, fileSystem, setClock, setDisk } from '../../../src/delta/disk.ts'
import { DeltaTable, type DeltaTableDefinition } from '../../../src/delta/index.ts'
import { setStepHook } from '../../../src/steps/step.ts'
import { column, Workshop } from './workshop.ts'

const dayMs = 86_400_000
const definition: DeltaTableDefinition = {
  fields: [column('id', 'long')],
  partitionColumns: [],
  properties: { 'delta.checkpointInterval': '3', 'delta.deletedFileRetentionDuration': 'interval 1 hours' },
}

let workshop: Workshop
let table: DeltaTable
let log: string
beforeEach(async () => {
  workshop = await Workshop.open()
  table = await DeltaTable.createOrEvolve(workshop.path('t'), definition)
  log = join(table.directory, '_delta_log')
})
afterEach(async () => {
  setStepHook(null)
  setDisk(fileSystem)
  setClock(Date.now)
  await workshop.close()
})

const checkpoints = async () => (await readdir(log)).filter((name) => name.endsWith('.checkpoint.parquet'))

async function append(version: number): Promise<void> {
  await table.append(workshop.connection, `SELECT ${version} AS id`, {
    ...{ appId: 'a', version: BigInt(version) },
  })
}

/** Holds the next checkpoint until the returned function is called. */
function holdCheckpoint(): { readonly written: Promise<void>; release(): void } {
  const [written, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  setStepHook(async (name) => {
    if (name !== 'checkpoint written') return
    written.resolve()
    await held.promise
  })
  return { written: written.promise, release: held.resolve }
}

describe('checkpoints beside the commits', () => {
  test('a commit does not wait for one; it has the table as it was then, and later ones follow', async () => {
    const held = holdCheckpoint()
    for (const version of [1, 2, 3]) await append(version)
    await held.written
    for (const version of [4, 5, 6, 7]) await append(version)
    await table.optimize(workshop.connection)
    expect(await checkpoints()).toEqual([])
    held.release()
    await table.settled()
    expect(await checkpoints()).toEqual(['00000000000000000003.checkpoint.parquet'])
    const sql = `SELECT count("add")::INTEGER, count("remove")::INTEGER FROM read_parquet('${log}/*.parquet')`
    expect((await workshop.connection.runAndReadAll(sql)).getRows()).toEqual([[3, 0]])
    await append(8)
    await table.settled()
    expect(await checkpoints()).toHaveLength(2)
    expect((await (await DeltaTable.open(table.directory)).snapshot()).numRecords).toBe(8n)
  })

  test('none is written into a table that was made again meanwhile', async () => {
    const held = holdCheckpoint()
    for (const version of [1, 2, 3]) await append(version)
    await held.written
    for (const name of await readdir(log)) if (name.endsWith('.json')) await rm(join(log, name))
    await DeltaTable.createOrEvolve(table.directory, definition)
    held.release()
    await table.settled()
    expect(await checkpoints()).toEqual([])
    expect((await (await DeltaTable.open(table.directory)).snapshot()).numRecords).toBe(0n)
  })

  test('a purge waits for the one that is being written', async () => {
    const held = holdCheckpoint()
    for (const version of [1, 2, 3]) await append(version)
    await held.written
    const purged = table.purgeLog()
    held.release()
    await purged
    expect(await checkpoints()).toEqual(['00000000000000000004.checkpoint.parquet'])
    expect((await readdir(log)).filter((name) => name.endsWith('.json'))).toHaveLength(1)
  })
})

describe('what is kept', () => {
  test('tombstones are forgotten when the retention of the table is over', async () => {
    let now = Date.now()
    setClock(() => now)
    await append(1)
    await append(2)
    await table.optimize(workshop.connection)
    expect([table.removedCount, table.expiredCount]).toEqual([2, 0])
    now += 3_599_000
    await append(3)
    expect(table.removedCount).toBe(2)
    now += 2_000
    await append(4)
    expect([table.removedCount, table.expiredCount]).toEqual([0, 2])
    await table.stage(workshop.connection, 'SELECT 5 AS id') // Another writer's, however old.
    const data = async () => (await readdir(table.directory)).filter((name) => name.endsWith('.parquet'))
    expect(await data()).toHaveLength(6)
    await table.deleteExpired(100)
    expect(table.expiredCount).toBe(0)
    expect(await data()).toHaveLength(4)
    expect((await workshop.rows(table, ['id'])).map((row) => row.id)).toEqual(['1', '2', '3', '4'])
  })

  test('a removed file that came back, or that a log names outside of the data, is not deleted', async () => {
    let now = Date.now()
    setClock(() => now)
    await append(1)
    await writeFile(workshop.path('outside.parquet'), '')
    const [file] = (await table.snapshot()).files.values()
    const remove = (path: string) => ({ remove: { path, deletionTimestamp: 1, dataChange: true } })
    const named = [
      '../outside.parquet',
      '_delta_log/00000000000000000000.json',
      workshop.path('outside.parquet'),
    ]
    const lines = [file!.path, ...named].map((path) => `${JSON.stringify(remove(path))}\n`)
    await writeFile(join(log, '00000000000000000002.json'), lines.join(''))
    await table.snapshot()
    const add = {
      ...{ path: join(table.directory, file!.path), partitionValues: {}, size: Number(file!.size) },
      ...{ modificationTime: 1, dataChange: true, stats: file!.statsJson },
    }
    await writeFile(join(log, '00000000000000000003.json'), JSON.stringify({ add }))
    now += dayMs
    await append(4)
    expect(table.expiredCount).toBe(4)
    await table.deleteExpired(100)
    expect(await readdir(workshop.directory)).toContain('outside.parquet')
    expect(await readdir(log)).toContain('00000000000000000000.json')
    expect(await workshop.rows(table, ['id'])).toHaveLength(2)
  })

  test('a clean-up deletes the oldest first, and keeps what a checkpoint needs', async () => {
    const removed: string[] = []
    const remove: Disk['remove'] = async (path) => {
      if (/\d{20}\.json$/.test(path)) removed.push(path)
      return fileSystem.remove(path)
    }
    for (const version of [1, 2, 3, 4, 5]) await append(version)
    await table.settled()
    for (const name of await readdir(log)) await utimes(join(log, name), 1000, 1000)
    setDisk({ ...fileSystem, remove })
    await append(6)
    await table.settled()
    expect(removed).toHaveLength(3)
    expect(removed).toEqual([...removed].sort())
    expect((await (await DeltaTable.open(table.directory)).snapshot()).numRecords).toBe(6n)
  })
})

describe('properties', () => {
  const properties = async () => (await table.describe()).properties

  test('those of the definition follow it, in one commit, and others stay', async () => {
    const first = await properties()
    const foreign = { 'delta.appendOnly': 'false', owner: 'somebody' }
    await DeltaTable.createOrEvolve(table.directory, { ...definition, properties: foreign })
    const changed = { 'delta.checkpointInterval': '50', 'delta.logRetentionDuration': 'interval 7 days' }
    await DeltaTable.createOrEvolve(table.directory, { ...definition, properties: changed })
    expect(await properties()).toEqual({ ...first, ...foreign, ...changed })
    await DeltaTable.createOrEvolve(table.directory, { ...definition, properties: changed })
    const operations = (await table.history()).map(({ operation }) => operation)
    expect(operations).toEqual(['SET TBLPROPERTIES', 'SET TBLPROPERTIES', 'CREATE TABLE'])
  })

  test('columns and properties come in one commit', async () => {
    const fields = [...definition.fields, column('n', 'long')]
    await DeltaTable.createOrEvolve(table.directory, { ...definition, fields, properties: { a: 'b' } })
    expect(await table.describe()).toMatchObject({ version: 1n, properties: { a: 'b' }, fields })
  })
})

describe('a network mount that repeats a call', () => {
  const repeating: Disk = {
    ...fileSystem,
    link: async (from, to) => {
      await fileSystem.link(from, to)
      await fileSystem.link(from, to) // Fails with EEXIST: the first call's answer was lost.
    },
  }

  test('has committed, and says so', async () => {
    setDisk(repeating)
    const made = await DeltaTable.createOrEvolve(workshop.path('other'), definition)
    expect(await made.commit(null, { appId: 'a', version: 1n })).toEqual({ kind: 'committed', version: 1n })
    expect((await made.snapshot()).version).toBe(1n)
  })

  test('is not taken for a commit of another', async () => {
    const other = await DeltaTable.open(table.directory)
    let disturbed = false
    const link: Disk['link'] = async (from, to) => {
      if (!disturbed) {
        disturbed = true
        setDisk(fileSystem)
        await other.commit(null, { txns: { other: 1n } })
        setDisk({ ...repeating, link })
      }
      await repeating.link(from, to)
    }
    setDisk({ ...repeating, link })
    expect(await table.commit(null, { appId: 'a', version: 1n })).toEqual({ kind: 'committed', version: 2n })
  })
})

test('a table that a vacuum walks while it is written keeps what comes into it', async () => {
  await append(1)
  const staged = await table.stage(workshop.connection, 'SELECT 2 AS id')
  const [file] = staged.adds
  await utimes(join(table.directory, file!.path), 1000, 1000)
  const stat: Disk['stat'] = async (path) => {
    if (path.endsWith(file!.path)) await table.commit(staged)
    return fileSystem.stat(path)
  }
  setDisk({ ...fileSystem, stat })
  expect(await table.vacuum({ nowMs: Date.now() + dayMs })).toEqual([])
  expect(await workshop.rows(table, ['id'])).toHaveLength(2)
})
