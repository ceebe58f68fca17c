// Since when which rules decided rows: for what is judged across batches.
import { quoteText } from '../delta/sql.ts'

type Period = {
  /** null: from the beginning. */
  readonly fromMicros: bigint | null
  /** null where nothing was a repeat. */
  readonly deduplication: { readonly key: string; readonly rangeMicros: bigint } | null
}

export class RulePeriods {
  readonly #periods: Period[] = []

  /** In the order of their times; the first one counts for all before it. */
  take(period: Period): void {
    const last = this.#periods.at(-1)
    const [was, is] = [last?.deduplication, period.deduplication]
    if (last !== undefined && was?.key === is?.key && was?.rangeMicros === is?.rangeMicros) return
    this.#periods.push(last === undefined ? { ...period, fromMicros: null } : period)
  }

  /** The columns by which repeats were told. */
  get dedupKeys(): readonly string[] {
    return [...new Set(this.#deduplications.map(({ key }) => key))]
  }

  get dedupMicrosMax(): bigint {
    return this.#deduplications.reduce(
      (most, { rangeMicros }) => (rangeMicros > most ? rangeMicros : most),
      0n,
    )
  }

  get #deduplications() {
    return this.#periods.flatMap(({ deduplication }) => (deduplication === null ? [] : [deduplication]))
  }

  /** A SELECT of the periods, to be joined ASOF by the time of a row's batch. */
  sql(): string {
    const tuples = this.#periods.map(({ fromMicros, deduplication }) => {
      const from = fromMicros === null ? "TIMESTAMP '-infinity'" : `make_timestamp(${fromMicros})`
      const key = deduplication === null ? 'NULL' : quoteText(deduplication.key)
      return `(${from}, ${key}, ${deduplication?.rangeMicros ?? 'NULL'}::BIGINT)`
    })
    return `SELECT * FROM (VALUES ${tuples.join(', ')}) AS periods(from_time, dedup_key, dedup_micros)`
  }
}
