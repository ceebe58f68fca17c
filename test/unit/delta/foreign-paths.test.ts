// The paths of files as other writers spell them, and tables whose own path is odd.
import { copyFile, mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DeltaTable, type DeltaTableDefinition } from '../../../src/delta/index.ts'
import { column, Workshop } from './workshop.ts'

const definition: DeltaTableDefinition = { fields: [column('id', 'long')], partitionColumns: [] }
const dayMs = 86_400_000

let workshop: Workshop
let table: DeltaTable
beforeEach(async () => {
  workshop = await Workshop.open()
  table = await DeltaTable.createOrEvolve(workshop.path('a b'), definition)
})
afterEach(() => workshop.close())

/** Copies the first file of the table to `at`, and adds it to the table by the name that `spelled` gives it. */
async function addCopy(at: string, spelled: string): Promise<void> {
  await table.append(workshop.connection, 'SELECT 1 AS id', { appId: 'a', version: 1n })
  const [file] = (await table.snapshot()).files.values()
  const place = join(table.directory, at)
  await mkdir(join(place, '..'), { recursive: true })
  await copyFile(join(table.directory, file!.path), place)
  await utimes(place, 1000, 1000)
  const { version } = await table.snapshot()
  const add = {
    ...{ path: spelled, partitionValues: {}, size: Number(file!.size), modificationTime: 1 },
    ...{ dataChange: true, stats: file!.statsJson },
  }
  const name = `${String(version + 1n).padStart(20, '0')}.json`
  await writeFile(join(table.directory, '_delta_log', name), JSON.stringify({ add }))
}

describe('a file that another writer names', () => {
  const at = 'x/the file.parquet'
  const spellings: readonly [string, () => string][] = [
    ['by its absolute path', () => join(table.directory, at)],
    ['by its absolute path, encoded', () => encodeURI(join(table.directory, at))],
    ['by a file URI', () => pathToFileURL(join(table.directory, at)).href],
    ['by a short file URI', () => `file:${encodeURI(join(table.directory, at))}`],
    ['with a dot in front', () => './x/the%20file.parquet'],
    ['with dots in the middle', () => 'y/../x/./the%20file.parquet'],
    ['with two slashes', () => 'x//the%20file.parquet'],
  ]

  test.each(spellings)('%s is read, and survives a vacuum', async (_what, spelled) => {
    await addCopy(at, spelled())
    expect(await workshop.rows(table, ['id'])).toHaveLength(2)
    expect(await table.vacuum({ nowMs: Date.now() + 8 * dayMs })).toEqual([])
    expect(await workshop.rows(table, ['id'])).toHaveLength(2)
    await table.optimize(workshop.connection)
    expect(await table.vacuum({ nowMs: Date.now() + 8 * dayMs })).toHaveLength(2)
    expect(await workshop.rows(table, ['id'])).toHaveLength(2)
  })

  test('by an absolute path survives where the table is opened through a link', async () => {
    await addCopy(at, join(table.directory, at))
    await symlink(table.directory, workshop.path('linked'))
    const linked = await DeltaTable.open(workshop.path('linked'))
    expect(await linked.vacuum({ nowMs: Date.now() + 8 * dayMs })).toEqual([])
  })

  test('outside of the table is read, and what is compacted of it is inside', async () => {
    await addCopy('../outside/b.parquet', '../outside/b.parquet')
    await addCopy('../outside/c.parquet', '../outside/c.parquet')
    expect(await table.optimize(workshop.connection)).toMatchObject({ kind: 'compacted', filesRemoved: 3 })
    const [only] = (await table.snapshot()).files.keys()
    expect(only).toMatch(/^part-[^/]+$/)
    expect(await readdir(workshop.path('outside'))).toEqual(['b.parquet', 'c.parquet'])
    await table.vacuum({ nowMs: Date.now() + 8 * dayMs })
    expect(await readdir(workshop.path('outside'))).toEqual(['b.parquet', 'c.parquet'])
  })
})

test.each(['lake [1]', 'what?', 'all*', '[a-z]', '[[]', "it's {a,b}"])(
  'a table in a directory named %s is written, read, compacted, and has its checkpoints',
  async (name) => {
    const odd = await DeltaTable.createOrEvolve(join(workshop.path(name), 't'), {
      fields: [column('id', 'long'), column('x', 'double'), column('p', 'string')],
      partitionColumns: ['p'],
      properties: { 'delta.checkpointInterval': '2' },
    })
    for (const version of [1, 2, 3]) {
      const query = `SELECT ${version} AS id, 'NaN'::DOUBLE AS x, '[p]' AS p`
      await odd.append(workshop.connection, query, { appId: 'a', version: BigInt(version) })
      await odd.settled()
    }
    expect(odd.checkpointFailure).toBeNull()
    expect(await readdir(join(odd.directory, '_delta_log'))).toContain(
      '00000000000000000002.checkpoint.parquet',
    )
    await odd.optimize(workshop.connection)
    expect(await workshop.rows(await DeltaTable.open(odd.directory), ['id'])).toHaveLength(3)
    expect(await odd.vacuum({ nowMs: Date.now() + 8 * dayMs })).toHaveLength(3)
    expect(await workshop.rows(odd, ['id'])).toHaveLength(3)
  },
)
