// The lakehouse as the pages know it: its tables, what they read, and what their columns are called.
import { opsTables } from '../ops/readable.ts'
import {
  inputsOf,
  type Lakehouse,
  namedTables,
  type TableDefinition,
  unpivotOf,
  windowOf,
} from '../plan/index.ts'
import { liveName } from '../query/open-windows.ts'
import { sqlName } from '../query/table-name.ts'
import type { LakehouseAnswer, TableAnswer } from './api.ts'

export type AnswerFacts = Pick<LakehouseAnswer, 'deltaBasePath' | 'reads' | 'engine' | 'streams'>

export function lakehouseAnswer(lakehouse: Lakehouse, facts: AnswerFacts): LakehouseAnswer {
  const { records, events, refused, scored, names, rules, reasons } = lakehouse
  return {
    ...facts,
    tables: [
      ...namedTables(lakehouse).map((table) => tableAnswer(lakehouse, table)),
      ...opsTables.map(opsAnswer),
    ],
    roles: {
      records: records.path,
      events: events.path,
      refused: refused.path,
      scored: scored?.path ?? null,
    },
    names: { event: names.event.column, person: names.person.column },
    rules: rules.map(({ name, points, meaning }) => ({ name, points, meaning })),
    reasons,
  }
}

/** The tables that a table's batch comes from: not those whose history it looks back at. */
function sourcesOf({ records }: Lakehouse, { path, rows }: TableDefinition): readonly string[] {
  if (path === records.path) return []
  const read = inputsOf(rows.node).flatMap(({ reads }) =>
    reads.of === 'records' || reads.of === 'history' ? [] : reads.table,
  )
  const sources = [...new Set(read)].filter((table) => table !== path)
  return sources.length === 0 ? [records.path] : sources // A batch of records is that of their table.
}

/** The first of the tables that each table's rows come from. */
export function readsOfTables(lakehouse: Lakehouse): ReadonlyMap<string, string> {
  return new Map(
    namedTables(lakehouse).flatMap((table) => {
      const [source] = sourcesOf(lakehouse, table)
      return source === undefined ? [] : [[table.path, source] as const]
    }),
  )
}

function tableAnswer(lakehouse: Lakehouse, table: TableDefinition): TableAnswer {
  const { path, meaning, stream, rows } = table
  const node = windowOf(rows.node)
  const columns = Object.entries(rows.schema).map(([name, type]) => ({ name, type }))
  const numbers = columns.filter(({ type }) => isNumber(type)).map(({ name }) => name)
  const keys = node === null ? [] : node.keys.filter((key) => columns.some(({ name }) => name === key))
  // Figures that stand as rows of their own have a page of theirs.
  const windows =
    node === null || unpivotOf(rows.node) !== null
      ? null
      : { keys, numbers, live: liveName(table), sizeMs: Number(node.sizeMicros / 1000n) }
  return {
    path,
    sqlName: sqlName(table),
    meaning,
    stream,
    isMadeLater: path === lakehouse.shadow?.table.path,
    from: sourcesOf(lakehouse, table),
    columns,
    windows,
  }
}

function opsAnswer({ path, meaning }: (typeof opsTables)[number]): TableAnswer {
  const itself = { path, sqlName: sqlName({ path }), meaning, stream: null, isMadeLater: true }
  return { ...itself, from: [], columns: [], windows: null }
}

function isNumber(type: string): boolean {
  return /^(?:int|long|double|decimal)/.test(type)
}
