// Since when which rules decided rows: for what is judged across batches.
import type { OverNode, PlanNode } from '../plan/index.ts'

type Period = {
  /** null: from the beginning. */
  readonly fromMicros: bigint | null
  readonly dedupMicros: bigint
  readonly velocityMicros: bigint
}

export class RulePeriods {
  readonly #periods: Period[] = []

  /** In the order of their times; the first one counts for all before it. */
  take(period: Period): void {
    const last = this.#periods.at(-1)
    const { dedupMicros, velocityMicros } = period
    if (last?.dedupMicros === dedupMicros && last.velocityMicros === velocityMicros) return
    this.#periods.push(last === undefined ? { ...period, fromMicros: null } : period)
  }

  get dedupMicrosMax(): bigint {
    return greatest(this.#periods.map(({ dedupMicros }) => dedupMicros))
  }

  get velocityMicrosMax(): bigint {
    return greatest(this.#periods.map(({ velocityMicros }) => velocityMicros))
  }

  /** A SELECT of the periods, to be joined ASOF by the time of a row's batch. */
  sql(): string {
    const tuples = this.#periods.map(({ fromMicros, dedupMicros, velocityMicros }) => {
      const from = fromMicros === null ? "TIMESTAMP '-infinity'" : `make_timestamp(${fromMicros})`
      return `(${from}, ${dedupMicros}::BIGINT, ${velocityMicros}::BIGINT)`
    })
    return `SELECT * FROM (VALUES ${tuples.join(', ')}) AS periods(from_time, dedup_micros, velocity_micros)`
  }
}

function greatest(values: readonly bigint[]): bigint {
  return values.reduce((a, b) => (b > a ? b : a), 0n)
}

export function velocityOf(node: PlanNode): OverNode | null {
  if (node.kind === 'over') return node
  return 'input' in node ? velocityOf(node.input) : null
}
