// The decode operator where no schema is known: its meaning stands at its type (plan/relation.ts). An engine
// that knows some hands the rows over with its columns.
import { schemaHeader } from '../formats/wire-format.ts'
import type { PlanNode } from '../plan/index.ts'
import type { Dialect } from './dialect.ts'

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

const namesId = (dialect: Dialect, bytes: string): string => beginsWith(dialect, bytes, 0, 5)
const namesGuid = (dialect: Dialect, bytes: string): string => beginsWith(dialect, bytes, 1, 17)

function beginsWith(dialect: Dialect, bytes: string, magic: 0 | 1, lengthMin: number): string {
  const first =
    dialect.engine === 'duckdb'
      ? `${bytes} >= '\\x0${magic}'::BLOB AND ${bytes} < '\\x0${magic + 1}'::BLOB`
      : `substring(${bytes}, 1, 1) = X'0${magic}'`
  return `(octet_length(${bytes}) >= ${lengthMin} AND ${first})`
}

export function decodeSql(dialect: Dialect, node: Decode, input: string): string {
  const [value, headers] = [dialect.name(node.from), dialect.name(node.headers)]
  const header = headerSql(dialect, headers)
  const isWire = isWireSql(dialect, value, headers)
  const isNamed = `${header} IS NULL OR ${namesId(dialect, header)} OR ${namesGuid(dialect, header)}`
  return `SELECT *,
  CASE WHEN NOT ${isWire} THEN ${value} END AS ${dialect.name(node.as)},
  CASE WHEN ${isWire} THEN CASE WHEN ${isNamed} THEN 'schema_unknown' ELSE 'undecodable' END END AS ${dialect.name(node.failure)}
FROM ${input}`
}
