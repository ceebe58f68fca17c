// The decode operator where no registry is known: every value is taken as it is. An engine that knows one
// hands the rows over with the columns of the operator; its meaning stands at its type (plan/relation.ts).
import { schemaHeader } from '../formats/wire-format.ts'
import type { PlanNode } from '../plan/index.ts'
import { type Dialect, literalSql } from './dialect.ts'

type Decode = Extract<PlanNode, { kind: 'decode' }>

/** Whether a record is in the wire format, of columns with its value and its headers; never null. */
export function isWireSql(dialect: Dialect, value: string, headers: string): string {
  const header = headerSql(dialect, headers)
  return `coalesce(${value} IS NOT NULL AND (${header} IS NOT NULL OR ${namesId(dialect, value)}), false)`
}

function headerSql(dialect: Dialect, headers: string): string {
  const name = dialect.text(schemaHeader)
  return dialect.engine === 'duckdb'
    ? `list_filter(${headers}, lambda h: h.key = ${name})[1].value`
    : `get(filter(${headers}, h -> h.key = ${name}), 0).value`
}

/** A magic byte and the four bytes of an id. */
function namesId(dialect: Dialect, bytes: string): string {
  const first =
    dialect.engine === 'duckdb'
      ? `${bytes} >= '\\x00'::BLOB AND ${bytes} < '\\x01'::BLOB`
      : `substring(${bytes}, 1, 1) = X'00'`
  return `(octet_length(${bytes}) >= 5 AND ${first})`
}

export function decodeSql(dialect: Dialect, node: Decode, input: string): string {
  const none = literalSql(dialect, 'string', null)
  return `SELECT *, ${dialect.name(node.from)} AS ${dialect.name(node.as)}, ${none} AS ${dialect.name(node.failure)}
FROM ${input}`
}
