// Several rows of each row, as SQL; their meaning stands in plan/relation.ts.
import type { ExpandNode } from '../plan/index.ts'
import type { Dialect } from './dialect.ts'
import { expressionSql } from './expression.ts'

/** No column of anybody's has such a name. */
const place = 'place of the copy'

export function expandSql(dialect: Dialect, { keep, schema, copies }: ExpandNode, input: string): string {
  const at = dialect.name(place)
  const names = [...keep, ...Object.keys(schema).filter((name) => !keep.includes(name))]
  const cells = names.map((name) => {
    const as = dialect.name(name)
    if (keep.includes(name)) return as
    const branches = copies.map((copy, index) => `WHEN ${index} THEN ${expressionSql(dialect, copy[name]!)}`)
    const value = copies.length === 0 ? 'NULL' : `CASE ${at}\n    ${branches.join('\n    ')}\n  END`
    return `CAST(${value} AS ${dialect.type(schema[name]!)}) AS ${as}`
  })
  const ordered = Object.keys(schema).map(dialect.name)
  const kept = keep.filter((name) => !(name in schema)).map(dialect.name)
  const rows = `SELECT ${cells.join(',\n  ')}\nFROM ${input}`
  const all =
    copies.length === 0
      ? `${rows}\nWHERE false`
      : `${rows},\n  (VALUES ${copies.map((_, index) => `(${index})`).join(', ')}) AS expanded(${at})`
  return `SELECT ${[...ordered, ...kept].join(', ')}\nFROM (\n${all.replaceAll(/^/gm, '  ')}\n)`
}
