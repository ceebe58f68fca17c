// Plan and expressions as SQL of DuckDB and of Spark.
export { decodeSql, isWireSql } from './decode.ts'
export { keyDigestSql } from './deduplicate.ts'
export * from './dialect.ts'
export * from './expression.ts'
export * from './figures.ts'
export * from './relation.ts'
export { busyKeysSql, keyLiteral } from './spark-over-count.ts'
export * from './window-parts.ts'
