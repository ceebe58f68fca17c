// The files of models, which lie beside the rules and in rules/models: a version of the rules that is
// recorded has its model there before, and a file that is gone beside the rules comes back from there.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { refuseCopy } from '../engines/copied-place.ts'
import { rowsOf, withSmallDatabase } from '../engines/database.ts'
import { ruleModelAppId, ruleModelsDefinition, ruleModelsPath, storedParts } from '../ops/rule-models.ts'
import { openOpsTable, opsDirectory } from '../ops/tables.ts'
import { besideRules, cardFile } from '../project/model-file.ts'
import { isModelFile, modelFilesIn } from '../rules/index.ts'
import { duckdb } from '../sql/index.ts'

type Place = {
  readonly deltaBasePath: string
  /** The models lie in its folder. */
  readonly rulesFile: string
}

/** Stores what the texts of rules name, and what is not stored yet. */
export async function storeModels(
  { deltaBasePath, rulesFile }: Place,
  texts: readonly string[],
  nowMicros: bigint,
): Promise<void> {
  const files = namedIn(texts)
  if (files.length === 0) return
  const stored = (await (await storedTable(deltaBasePath))?.snapshot())?.txns
  const missing = files.flatMap((file) => {
    const model = besideRules(rulesFile)(file)
    if (model.kind === 'absent' || !isModelFile(file, model.text)) return []
    const card = textOf(join(dirname(rulesFile), cardFile(file, 'json')))
    const part = card === null ? storedParts.model : storedParts.modelAndCard
    const isStored = (stored?.get(ruleModelAppId(file))?.version ?? 0n) >= part
    return isStored ? [] : [{ file, content: model.text, card, part }]
  })
  if (missing.length === 0) return
  await refuseCopy(deltaBasePath)
  const table = await openOpsTable(deltaBasePath, ruleModelsPath, { ...ruleModelsDefinition, properties: {} })
  await withSmallDatabase(async (connection) => {
    for (const { part, ...row } of missing) {
      const select = `SELECT $file::VARCHAR AS file, $content::VARCHAR AS content, $card::VARCHAR AS card,
        make_timestamptz(${nowMicros}) AS stored_at`
      const staged = await table.stage(connection, select, row)
      // Of two processes that store it at once the second finds it stored.
      await table.commit(staged, {
        ...{ operation: 'RULES', operationParameters: {} },
        ...{ appId: ruleModelAppId(row.file), version: part },
      })
    }
    await table.settled()
  })
}

/** Writes the files beside the rules that the texts name and that are not there; gives those it could. */
export async function bringModels(place: Place, texts: readonly string[]): Promise<readonly string[]> {
  const folder = dirname(place.rulesFile)
  const gone = namedIn(texts).filter((file) => !existsSync(join(folder, file)))
  if (gone.length === 0) return []
  const found = await storedModels(place.deltaBasePath, gone)
  return found.flatMap(({ file, content, card }) => {
    const beside = join(folder, cardFile(file, 'json'))
    if (card !== null && !existsSync(beside)) write(beside, card)
    return write(join(folder, file), content) ? [join(folder, file)] : []
  })
}

/** The card of a model as text: that beside the rules, or that of its training; null where there is none. */
export async function cardOfModel({ deltaBasePath, rulesFile }: Place, file: string): Promise<string | null> {
  const beside = textOf(join(dirname(rulesFile), cardFile(file, 'json')))
  return beside ?? (await storedModels(deltaBasePath, [file]))[0]?.card ?? null
}

/** Whether a version of the rules ever had a model. */
export async function hasModels(deltaBasePath: string): Promise<boolean> {
  return await DeltaTable.exists(opsDirectory(deltaBasePath, ruleModelsPath))
}

type StoredModel = { readonly file: string; readonly content: string; readonly card: string | null }

/** Those of these files that are stored, and are what their names say. */
async function storedModels(deltaBasePath: string, files: readonly string[]): Promise<StoredModel[]> {
  const table = await storedTable(deltaBasePath)
  if (table === null) return []
  const scan = await fetchedScanSql(await table.snapshot(), table.directory)
  const rows = await withSmallDatabase((connection) =>
    rowsOf(
      connection,
      `SELECT file, any_value(content) AS content, max(card) AS card FROM (${scan})
        WHERE file IN (${files.map(duckdb.text).join(', ')}) GROUP BY file`,
    ),
  )
  // As they were written: texts, of which the card may be null.
  return (rows as StoredModel[]).filter(({ file, content }) => isModelFile(file, content))
}

async function storedTable(deltaBasePath: string): Promise<DeltaTable | null> {
  return (await hasModels(deltaBasePath))
    ? DeltaTable.open(opsDirectory(deltaBasePath, ruleModelsPath))
    : null
}

function namedIn(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.flatMap(modelFilesIn))]
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null // Whoever needs it says that it is not there.
  }
}

/** Whole, or not at all: false where the folder cannot be written. */
function write(path: string, text: string): boolean {
  const draft = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(draft, text)
    renameSync(draft, path)
    return true
  } catch {
    rmSync(draft, { force: true })
    return false
  }
}
