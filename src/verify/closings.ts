// Which batch closed what a table of windows or sessions has, as the logs tell.
import type { Parameters } from '../batches/plan.ts'
import { floorTo } from '../batches/planner.ts'
import type { Progress } from '../batches/progress.ts'
import { assert } from '../errors/errors.ts'
import { storedText, type TableDefinition } from '../plan/index.ts'
import type { TableState, WrittenLakehouse } from './lakehouse.ts'
import { parametersIn } from './plans.ts'
import type { Slice } from './slice.ts'

const tuplesPerInsert = 1_000

/** A definition of the table, with the values of its parameters. */
export type ClosingDefinition = { readonly definition: TableDefinition; readonly parameters: Parameters }

type Closing = { readonly timeMicros: bigint; readonly watermarkMicros: bigint; readonly definition: number }

/**
 * The batches that closed windows or sessions: one is written by the first batch whose watermark reaches its
 * end, as the table was defined then. Kept are those whose watermark passed a step, at which ends lie.
 */
export class Closings {
  /** As the table was defined at one time and another, oldest first. */
  readonly definitions: ClosingDefinition[] = []
  /** Batches that closed some after the last one of the table. */
  lag = 0
  readonly #path: string
  readonly #stepOf: (definition: TableDefinition) => bigint
  readonly #watermark: string
  readonly #doneBatch: bigint
  readonly #own: Progress | null
  readonly #closed: Closing[] = []
  #hash: string | null = null
  #reached: bigint | null
  #lastEnd: bigint | null = null

  constructor(
    { definition: { path, watermark }, doneBatch, progress }: TableState,
    stepOf: (definition: TableDefinition) => bigint,
  ) {
    assert(watermark !== null, `${path} has rows that close`)
    this.#path = path
    this.#stepOf = stepOf
    this.#watermark = watermark
    this.#doneBatch = doneBatch
    this.#own = progress
    this.#reached = progress?.watermarks[watermark] ?? null
  }

  take(slice: Slice): void {
    const { batches, before } = slice
    const definition = slice.definition(this.#path)
    const { parameters } = slice.rules.settings
    const used = Object.entries(parameters).filter(([name]) => parametersIn(definition.rows.node).has(name))
    const hash = `${slice.definitionHash(this.#path)} ${storedText(used)}`
    if (hash !== this.#hash) this.definitions.push({ definition, parameters })
    this.#hash = hash
    const step = this.#stepOf(definition)
    // What was closed before the first batch that is judged was closed by one of the batches before it.
    const isFirst = this.#lastEnd === null && before !== null
    for (const { batch, timeMicros, watermarks } of isFirst ? [before, ...batches] : batches) {
      const watermarkMicros = watermarks[this.#watermark]
      if (watermarkMicros === undefined) continue
      if ((batch ?? 0n) > this.#doneBatch) {
        if (this.#reached !== null && watermarkMicros > this.#reached) this.lag += 1
        continue
      }
      if (this.#reached === null || watermarkMicros > this.#reached) this.#reached = watermarkMicros
      const end = floorTo(watermarkMicros, step)
      if (this.#lastEnd !== null && end <= this.#lastEnd) continue
      this.#lastEnd = end
      this.#closed.push({ timeMicros, watermarkMicros, definition: this.definitions.length - 1 })
    }
  }

  /** As the table `closing`. */
  async insert({ connection }: WrittenLakehouse): Promise<void> {
    await connection.run(
      'CREATE OR REPLACE TEMP TABLE closings (time TIMESTAMP, watermark TIMESTAMP, definition INTEGER)',
    )
    // A table of a stream of its own has its own watermark in its commits.
    const own = this.#own?.watermarks[this.#watermark] ?? null
    const definition = this.definitions.length - 1
    const last = own === null ? [] : [{ timeMicros: this.#own!.timeMicros, watermarkMicros: own, definition }]
    const closed = [...this.#closed, ...last]
    for (let from = 0; from < closed.length; from += tuplesPerInsert) {
      const tuples = closed.slice(from, from + tuplesPerInsert).map((one) => {
        return `(make_timestamp(${one.timeMicros}), make_timestamp(${one.watermarkMicros}), ${one.definition})`
      })
      await connection.run(`INSERT INTO closings VALUES ${tuples.join(', ')}`)
    }
    await connection.run(`CREATE OR REPLACE TEMP TABLE closing AS
      SELECT watermark, min(time) AS time, arg_min(definition, time) AS definition FROM closings GROUP BY watermark`)
    await connection.run('DROP TABLE closings')
  }
}
