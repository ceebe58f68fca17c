// Tables of figures: from rows that have all figures of a window side by side to a row for each, with what is
// usual for it.
import type { Rows } from '../columns/column.ts'
import { assert } from '../errors/errors.ts'
import {
  type BaselineNode,
  baselineOf,
  belowFigures,
  columnType,
  type PlanNode,
  type Relation,
  type TableDefinition,
  type UnpivotNode,
  unpivotOf,
} from '../plan/index.ts'
import type { ParameterValues } from '../sql/index.ts'
import type { Baselines } from '../state/baselines.ts'
import { tableRows } from './pane-plan.ts'
import type { RowPath, SourceRow } from './row-batch.ts'
import { compileRowPath } from './row-path.ts'

export type FigurePath = {
  /** What the figures are taken from. */
  readonly wide: Relation
  readonly unpivot: UnpivotNode
  readonly baseline: BaselineNode | null
  /** From rows of figures those of the table, its only output. */
  readonly rows: RowPath
}

const known = new WeakMap<TableDefinition, FigurePath | null>()

/** null for a table without figures. */
export function figurePathOf(table: TableDefinition): FigurePath | null {
  const found = known.get(table)
  if (found !== undefined) return found
  const made = figurePath(table)
  known.set(table, made)
  return made
}

function figurePath({ rows: { node, schema } }: TableDefinition): FigurePath | null {
  const unpivot = unpivotOf(node)
  if (unpivot === null) return null
  const baseline = baselineOf(node)
  assert(baseline === null || baseline.input === unpivot, 'what is usual is asked of figures')
  const top = baseline ?? unpivot
  const usual = baseline === null ? [] : [baseline.expected, baseline.deviation]
  const names = [...unpivot.keep, ...unpivot.labels, unpivot.value, ...usual]
  const columns = Object.fromEntries(names.map((name) => [name, columnType(top, name)]))
  const given: PlanNode = { kind: 'input', name: 'figures', schema: columns, reads: { of: 'records' } }
  const relation = { node: replaced(node, top, given), schema }
  const path = compileRowPath({
    source: 'figures',
    outputs: { [tableRows]: { relation, into: 'columns' } },
  })
  return { wide: belowFigures({ node, schema }), unpivot, baseline, rows: path }
}

function replaced(node: PlanNode, top: PlanNode, by: PlanNode): PlanNode {
  if (node === top) return by
  return 'input' in node ? { ...node, input: replaced(node.input, top, by) } : node
}

/** The rows of a table from what its figures are taken from. The baselines know its earlier rows. */
export function figureRows(
  { unpivot, baseline, rows }: FigurePath,
  wide: readonly SourceRow[],
  baselines: Baselines | null,
  parameters: ParameterValues,
): Rows {
  const batch = rows.start({ parameters })
  const row: Record<string, unknown> = {}
  const keyOf = baseline === null ? null : keysOf(unpivot, baseline)
  for (const of of baseline === null ? wide : inOrder(wide, baseline.order)) {
    for (const name of unpivot.keep) row[name] = of[name]
    for (const [index, figure] of unpivot.figures.entries()) {
      const value = of[figure.of]
      if (value === null) continue
      assert(typeof value === 'number', 'a figure is a double')
      Object.assign(row, figure.labels)
      row[unpivot.value] = value
      if (baseline !== null && baselines !== null) {
        const key = keyOf?.[index] ?? baselineKey(baseline, row)
        const usual = baselines.usual(key)
        row[baseline.expected] = usual?.expected ?? null
        row[baseline.deviation] = usual?.deviation ?? null
        baselines.add(key, value)
      }
      batch.add(row)
    }
  }
  return batch.rows(tableRows)
}

/** By figure, where its labels are all of its key; else null. */
function keysOf({ labels, figures }: UnpivotNode, node: BaselineNode): readonly string[] | null {
  if (!node.keys.every((name) => labels.includes(name))) return null
  return figures.map((figure) => baselineKey(node, figure.labels))
}

/** Text that rows of the same keys have in common. */
export function baselineKey({ keys }: BaselineNode, row: SourceRow): string {
  const cells = keys.map((name) => row[name])
  return JSON.stringify(cells, (_, cell: unknown) => (typeof cell === 'bigint' ? String(cell) : cell))
}

function inOrder(rows: readonly SourceRow[], name: string): readonly SourceRow[] {
  const at = (row: SourceRow): never => row[name] as never // Instants, and whatever else can be compared.
  return rows.toSorted((a, b) => (at(a) < at(b) ? -1 : at(a) > at(b) ? 1 : 0))
}
