// The operator `over` as SQL; its meaning stands at `OverNode` (plan/relation.ts).
import { countsAlone, type OverNode } from '../plan/index.ts'
import type { Dialect } from './dialect.ts'
import { overCountSql } from './over-count.ts'
import { overValuesSql } from './over-values.ts'
import { sparkOverCount } from './spark-over-count.ts'

export function overSql(dialect: Dialect, node: OverNode, input: string, history: string): string {
  if (!countsAlone(node)) return overValuesSql(dialect, node, input, history)
  if (dialect.engine === 'duckdb') return overCountSql(node, input, history)
  return sparkOverCount(node, input, history, dialect.busyKeys?.get(node))
}
