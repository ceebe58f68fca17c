// Every commit that delta-rs and delta-spark write is whole to us, and one of theirs that lost a file is not.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCommit } from '../../../src/delta/commit-parse.ts'
import { isItsTurn, turnSeed } from '../../turns.ts'
import { Workshop } from '../../unit/delta/workshop.ts'
import { PythonProcess } from '../python.ts'
import { deltaReaders, pythonAvailable, pythonEnvironment } from '../tools.ts'
import { sparkAbsent, startSpark } from './spark.ts'

let workshop: Workshop
beforeAll(async () => {
  workshop = await Workshop.open()
})
afterAll(() => workshop.close())

/** The commits of all tables below a directory, by their paths. */
async function commitsBelow(directory: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(directory, { recursive: true })
  const paths = names.filter((name) => /_delta_log\/\d{20}\.json$/.test(name)).sort()
  const texts = paths.map(async (name): Promise<[string, string]> => {
    return [name, await readFile(join(directory, name), 'utf8')]
  })
  return new Map(await Promise.all(texts))
}

/** Operations that do not say how many files they add or remove. */
const untold = new Set(['CLONE', 'CONVERT'])

/** Counts the commits that pass, and those of which every cut in front of the last file is refused. */
function judge(commits: ReadonlyMap<string, string>): { readonly whole: number; readonly guarded: number } {
  let [whole, guarded] = [0, 0]
  for (const [path, text] of commits) {
    const commit = parseCommit(0n, text, 0, path)
    whole += 1
    if (untold.has(String(commit.commitInfo?.operation))) continue
    const lines = text.trimEnd().split('\n')
    const last = lines.findLastIndex((line) => /^\{"(add|remove)"/.test(line))
    if (last < 0) continue
    // A file with a vector is refused by itself, whatever else is there.
    for (let kept = 0; kept <= last; kept++) {
      const cut = lines.slice(0, kept).join('\n')
      expect(() => parseCommit(0n, cut, 0, path), `${path}, ${kept} lines: ${text}`).toThrow(
        /cut off or damaged/,
      )
    }
    guarded += 1
  }
  return { whole, guarded }
}

const rsCode = `
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
def rows(*values):
    return pa.table({"id": pa.array(values, pa.int64()), "p": pa.array([str(v % 2) for v in values])})
def upsert(path, *values):
    merge = DeltaTable(path).merge(rows(*values), "s.id = t.id", source_alias="s", target_alias="t")
    merge.when_matched_update_all().when_not_matched_insert_all().execute()
for name, settings in (("plain", {}), ("cdf", {"delta.enableChangeDataFeed": "true"}),
                       ("nostats", {"delta.dataSkippingNumIndexedCols": "0"})):
    path = inputs["base"] + "/" + name
    write_deltalake(path, rows(1, 2, 3), partition_by=["p"], configuration=settings)
    write_deltalake(path, rows(4, 5, 6, 7), mode="append")
    write_deltalake(path, rows(), mode="append")
    DeltaTable(path).delete("id = 2")
    DeltaTable(path).update(updates={"id": "id + 100"}, predicate="id = 4")
    upsert(path, 5, 900)
    DeltaTable(path).merge(rows(900), "s.id = t.id", source_alias="s", target_alias="t").when_matched_delete().execute()
    DeltaTable(path).optimize.compact()
    DeltaTable(path).optimize.z_order(["id"])
    write_deltalake(path, rows(52, 54), mode="overwrite", predicate="p = '0'")
    write_deltalake(path, rows(50, 51), mode="overwrite")
    DeltaTable(path).restore(1)
    DeltaTable(path).delete()
    DeltaTable(path).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
`

const sparkTables = [
  ['plain', ''],
  ['cdf', "TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')"],
].filter((_, index) => isItsTurn(turnSeed, index, 2))

const sparkCode = `
base = inputs["base"]
for name, settings in inputs["tables"]:
    path = base + "/" + name
    t = table(path)
    spark.sql(f"CREATE TABLE {t} (id LONG, p STRING) USING delta PARTITIONED BY (p) {settings}")
    spark.sql(f"INSERT INTO {t} SELECT id, string(id % 2) FROM range(20)")
    spark.sql(f"INSERT INTO {t} SELECT id, string(id % 2) FROM range(20) WHERE id < 0")
    spark.sql(f"DELETE FROM {t} WHERE id = 3")
    spark.sql(f"UPDATE {t} SET id = id + 1000 WHERE id = 4")
    spark.sql(f"""MERGE INTO {t} t USING (SELECT explode(array(5, 77)) AS id, '1' AS p) s ON t.id = s.id
      WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *""")
    spark.sql(f"MERGE INTO {t} t USING (SELECT 77 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE")
    spark.sql(f"OPTIMIZE {t} ZORDER BY (id)")
    spark.sql(f"INSERT OVERWRITE {t} SELECT id, string(id % 2) FROM range(7)")
    writer = spark.range(2).selectExpr("id", "'1' AS p").write.format("delta").mode("overwrite")
    writer.option("replaceWhere", "p = '1'").save(path)
    spark.sql(f"RESTORE TABLE {t} TO VERSION AS OF 1")
    spark.sql(f"DELETE FROM {t} WHERE p = '0'")
    stream = spark.readStream.format("delta").load(path).writeStream.format("delta")
    stream.option("checkpointLocation", path + "-checkpoint").trigger(availableNow=True)
    query = stream.option("ignoreChanges", "true").start(path + "-copy")
    query.awaitTermination()
    spark.sql(f"TRUNCATE TABLE {t}")
    spark.sql(f"CREATE TABLE {table(path + '-made')} USING delta AS SELECT * FROM {table(path + '-copy')}")
    spark.sql(f"CREATE OR REPLACE TABLE {table(path + '-made')} USING delta AS SELECT 1 AS id")
`

describe.skipIf(pythonAvailable !== null)(
  `delta-rs${pythonAvailable === null ? '' : ` (${pythonAvailable})`}`,
  () => {
    test('writes commits that are whole, and whose figures tell when they are not', async () => {
      const python = new PythonProcess(await pythonEnvironment('delta-rs', deltaReaders))
      try {
        const base = workshop.path('rs')
        await python.run(rsCode, { base })
        const { whole, guarded } = judge(await commitsBelow(base))
        expect(whole).toBeGreaterThan(40)
        expect(guarded).toBeGreaterThan(30)
      } finally {
        await python.close()
      }
    })
  },
)

describe.skipIf(sparkAbsent !== null)(`delta-spark${sparkAbsent === null ? '' : ` (${sparkAbsent})`}`, () => {
  test('writes commits that are whole, and whose figures tell when they are not', async () => {
    const spark = await startSpark(workshop.directory)
    try {
      const base = workshop.path('spark')
      await spark.run(sparkCode, { base, tables: sparkTables })
      const { whole, guarded } = judge(await commitsBelow(base))
      expect(whole).toBeGreaterThan(12 * sparkTables.length)
      expect(guarded).toBeGreaterThan(10 * sparkTables.length)
    } finally {
      await spark.close()
    }
  })
})
