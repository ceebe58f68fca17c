// quality/drift: how far the features and the score of a model were, on each day of event time, from the
// transactions that it learned from. A day is written once, when no row of it can come any more.
import type { DeltaTableDefinition, DeltaType } from '../delta/index.ts'
import { duckdb } from '../sql/index.ts'

export const driftPath = 'quality/drift'

/** The application id of the txn action that says which day is done: its days since 1970. */
export const driftAppId = 'assay/quality/drift'

const column = (name: string, type: DeltaType) => ({ name, type, nullable: true, metadata: {} })

export const driftDefinition = {
  description:
    'How far the features and the score of a model were, each day, from the transactions that it learned from.',
  partitionColumns: [],
  fields: [
    column('day', 'date'), // Of event_time, in UTC.
    column('model', 'string'), // The name of its file, which says what is in it.
    column('rules_version', 'integer'), // The newest that asks the model and scored rows of the day.
    column('kind', 'string'), // `score`, or a feature that is a `number` or a `category`.
    column('feature', 'string'), // null where it is the score.
    column('rows', 'long'),
    column('psi', 'double'),
    column('ks', 'double'),
    column('level', 'string'), // `stable`, `moderate`, `drifted`, or `too_few` rows.
  ],
} satisfies Omit<DeltaTableDefinition, 'properties'>

export type DriftRow = {
  readonly day: string
  readonly model: string
  readonly rulesVersion: number
  readonly kind: 'score' | 'number' | 'category'
  readonly feature: string | null
  readonly rows: number
  readonly psi: number
  readonly ks: number
  readonly level: string
}

/** A SELECT of the rows, in the columns of the table. */
export function driftRowsSql(rows: readonly DriftRow[]): string {
  const names = driftDefinition.fields.map(({ name }) => duckdb.name(name)).join(', ')
  const textSql = (text: string | null): string => (text === null ? 'NULL::VARCHAR' : duckdb.text(text))
  const cells = rows.map(({ day, model, rulesVersion, kind, feature, rows: count, psi, ks, level }) => {
    const figures = [psi, ks].map((figure) => `'${figure}'::DOUBLE`)
    const of = [`${duckdb.text(day)}::DATE`, duckdb.text(model), `${rulesVersion}`, duckdb.text(kind)]
    return `(${[...of, textSql(feature), `${count}::BIGINT`, ...figures, duckdb.text(level)].join(', ')})`
  })
  return `SELECT * FROM (VALUES ${cells.join(',\n')}) AS drift(${names})`
}
