// The table of figures that says what is unusual, as people are shown it.
import { baselineOf, type Lakehouse, type TableDefinition } from '../plan/index.ts'

const columns = [
  ...['window_start', 'window_end', 'column_name', 'metric', 'value', 'expected', 'spread', 'score'],
  ...['is_anomaly', 'aggregation_time'],
]

/** null for a lakehouse that has none with such columns. */
export function figuresTable({ tables }: Pick<Lakehouse, 'tables'>): TableDefinition | null {
  const isIt = ({ rows }: TableDefinition): boolean =>
    baselineOf(rows.node) !== null && columns.every((name) => name in rows.schema)
  return tables.find(isIt) ?? null
}
