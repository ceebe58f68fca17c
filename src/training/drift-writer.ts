// Writes quality/drift beside a run: of each day that is complete, once, by whoever carries the scored table.
// A day is complete when the watermark of the events has passed it: a row of it would be late from then on.
// Batches wait for none of it, and without a model there is nothing to do.
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Progress } from '../batches/progress.ts'
import { DeltaTable, fetchedScanSql } from '../delta/index.ts'
import { rowsOf, withSmallDatabase } from '../engines/database.ts'
import { type DriftedFigure, listener, noticesTo, type OnEvent } from '../engines/events.ts'
import { counted } from '../errors/counted.ts'
import { LakehouseError } from '../errors/errors.ts'
import { type DriftRow, driftAppId, driftDefinition, driftPath, driftRowsSql } from '../ops/drift.ts'
import { openOpsTable, opsDirectory } from '../ops/tables.ts'
import { eventsWatermark } from '../plan/index.ts'
import { withLists } from '../project/rule-lists.ts'
import { modelScoreColumn, type RuleSet, type ScoringModel } from '../rules/index.ts'
import { cardOfModel, hasModels } from '../versions/model-store.ts'
import { type RulesOfLakehouse, readVersions, rulesOfVersion } from '../versions/rules-in-force.ts'
import type { ModelCard } from './card.ts'
import { type DriftedDay, driftByDay } from './drift.ts'

export type DriftWriterOptions = {
  readonly rules: RulesOfLakehouse
  readonly maturityMicros: bigint
  readonly duckdb: Readonly<Record<string, string>>
  readonly tell: OnEvent
}

const dayMicros = 86_400_000_000n
const failureWaitMs = 60_000
/** Of a model so many figures are told, the greatest first; the table has all. */
const figuresToldMax = 100
/** Of features that drifted so many are named in a notice. */
const namedMax = 5

/** The versions that have a model, and what it learned from. */
type CardedModel = {
  readonly file: string
  readonly rules: RuleSet
  readonly model: ScoringModel
  readonly card: ModelCard
  readonly versions: readonly number[]
}

export class DriftWriter {
  readonly #options: DriftWriterOptions
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()
  /** How many days since 1970 are complete, as the last look that ended well saw it. */
  #daysSeen = 0n
  #daysWanted = 0n
  #isLooking = false
  #failedAtMs: number | null = null

  constructor(options: DriftWriterOptions) {
    this.#options = options
  }

  readonly onEvent = listener({
    opened: ({ progress }) => this.#lookAt(progress),
    batch: ({ recorded }) => this.#lookAt(recorded.progress),
  })

  /** Waits for the days that are complete, for so long; what is not written by then the next run writes. */
  async close(waitMaxMs: number): Promise<void> {
    const limit = setTimeout(() => this.#stop.abort(), waitMaxMs)
    await this.#running
    clearTimeout(limit)
    this.#stop.abort()
  }

  #lookAt({ watermarks }: Progress): void {
    const micros = watermarks[eventsWatermark(this.#options.rules.lakehouse)]
    if (micros === undefined || micros < 0n) return
    const days = micros / dayMicros
    if (days > this.#daysWanted) this.#daysWanted = days
    const isWaiting = this.#failedAtMs !== null && performance.now() < this.#failedAtMs + failureWaitMs
    if (this.#isLooking || isWaiting || this.#daysWanted <= this.#daysSeen || this.#stop.signal.aborted)
      return
    this.#isLooking = true
    this.#running = this.#look().finally(() => {
      this.#isLooking = false
    })
  }

  async #look(): Promise<void> {
    try {
      while (this.#daysSeen < this.#daysWanted) {
        const days = this.#daysWanted
        if (await hasModels(this.#options.rules.deltaBasePath)) await this.#writeUpTo(days)
        this.#daysSeen = days
        this.#failedAtMs = null
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return
      const isFirst = this.#failedAtMs === null
      this.#failedAtMs = performance.now()
      if (!isFirst) return
      const why = error instanceof Error ? error.message : String(error)
      const message = `how far days are from what the model learned from could not be measured; batches go on: ${why}`
      noticesTo(this.#options.tell)({ code: 'DRIFT_FAILED', message, details: {} })
    }
  }

  async #writeUpTo(days: bigint): Promise<void> {
    const models = await this.#models()
    const { deltaBasePath } = this.#options.rules
    const isThere = await DeltaTable.exists(opsDirectory(deltaBasePath, driftPath))
    if (models.length === 0 && !isThere) return
    const definition = { ...driftDefinition, properties: {} }
    const table = await openOpsTable(deltaBasePath, driftPath, definition)
    const done = (await table.snapshot()).txns.get(driftAppId)?.version ?? 0n
    const rows = done < days ? await this.#rowsOf(models, done, days) : []
    this.#stop.signal.throwIfAborted()
    await withSmallDatabase(async (connection) => {
      if (done < days) {
        const staged = rows.length === 0 ? null : await table.stage(connection, driftRowsSql(rows))
        // Of two processes the second finds the days written.
        const { kind } = await table.commit(staged, {
          ...{ operation: 'DRIFT', operationParameters: {} },
          ...{ appId: driftAppId, version: days, after: done },
        })
        if (kind === 'committed' && rows.length > 0) this.#tellDrifted(rows)
      }
      await this.#tellLast(table, connection, days)
      await table.settled()
    })
  }

  /** Of models without a card nobody knows what they learned from. */
  async #models(): Promise<readonly CardedModel[]> {
    const of = this.#options.rules
    const rulesFile = of.lakehouse.rulesFrom!.file
    const byFile = new Map<string, CardedModel>()
    for (const one of (await readVersions(of)).all) {
      const rules = rulesIfValid(of, one)
      const { model = null } = rules ?? {}
      if (rules === null || model === null) continue
      const file = model.file.replace(/^\.\//, '')
      const text = byFile.has(file) ? null : await cardOfModel({ ...of, rulesFile }, file)
      const card = byFile.get(file)?.card ?? (text === null ? null : (JSON.parse(text) as ModelCard))
      if (card === null) continue
      // What a feature is of a row the newest version says.
      byFile.set(file, {
        ...{ file, rules, model, card },
        versions: [...(byFile.get(file)?.versions ?? []), one.version],
      })
    }
    return [...byFile.values()]
  }

  async #rowsOf(models: readonly CardedModel[], done: bigint, days: bigint): Promise<readonly DriftRow[]> {
    const { rules: of, maturityMicros, duckdb } = this.#options
    const { lakehouse, deltaBasePath, parameters } = of
    const rows: DriftRow[] = []
    for (const { file, rules, model, card, versions } of models) {
      const drifted = await driftByDay({
        ...{ lakehouse, deltaBasePath, model, card, versions, maturityMicros },
        parameters: withLists(lakehouse, parameters, rules.lists),
        fromMicros: done === 0n ? null : done * dayMicros,
        toMicros: days * dayMicros,
        asOfMicros: of.clock(),
        signal: this.#stop.signal,
        duckdb: { ...duckdb, threads: '1' },
      })
      rows.push(...drifted.flatMap((day) => rowsOfDay(day, file)))
    }
    return rows
  }

  #tellDrifted(rows: readonly DriftRow[]): void {
    const day = rows.reduce((last, row) => (row.day > last ? row.day : last), '')
    const found = rows.filter((row) => row.day === day && row.level === 'drifted')
    if (found.length === 0) return
    const named = found
      .toSorted((a, b) => b.psi - a.psi)
      .slice(0, namedMax)
      .map(({ feature, psi }) => `${feature ?? modelScoreColumn} (PSI ${psi.toFixed(2)})`)
    const more =
      found.length > named.length ? `, and ${counted(found.length - named.length, 'feature')} more` : ''
    const message = `The transactions of ${day} were others than those that ${found[0]!.model} learned from: ${named.join(', ')}${more}`
    const details = { day, features: found.map(({ feature }) => feature ?? modelScoreColumn) }
    noticesTo(this.#options.tell)({ code: 'MODEL_DRIFTED', message, details })
  }

  /** Of the last complete day, by the model of the newest rules that scored it; nothing where it has none. */
  async #tellLast(table: DeltaTable, connection: DuckDBConnection, days: bigint): Promise<void> {
    const day = new Date(Number((days - 1n) * dayMicros) / 1_000).toISOString().slice(0, 10)
    const scan = await fetchedScanSql(await table.snapshot(), table.directory)
    const figures = await rowsOf(
      connection,
      `SELECT coalesce(feature, '${modelScoreColumn}') AS feature, psi, ks, level FROM (${scan})
        WHERE day = '${day}'::DATE QUALIFY rules_version = max(rules_version) OVER ()
        ORDER BY kind <> 'score', psi DESC, feature LIMIT ${figuresToldMax}`,
    )
    this.#options.tell({ kind: 'drift', day, figures: figures as DriftedFigure[] }) // As selected.
  }
}

function rowsOfDay({ day, score, features, rulesVersion }: DriftedDay, model: string): readonly DriftRow[] {
  const of = { day, model, rulesVersion: rulesVersion! }
  const ofScore = { ...of, kind: 'score' as const, feature: null, ...score }
  return [ofScore, ...features.map(({ name, ...feature }) => ({ ...of, feature: name, ...feature }))]
}

/** A version of long ago may not go with the lakehouse any more. */
function rulesIfValid(
  { lakehouse }: RulesOfLakehouse,
  version: Parameters<typeof rulesOfVersion>[1],
): RuleSet | null {
  try {
    return rulesOfVersion(lakehouse, version)
  } catch (error) {
    if (error instanceof LakehouseError && error.code === 'RULES_INVALID') return null
    throw error
  }
}
