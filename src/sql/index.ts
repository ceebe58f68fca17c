// Plan and expressions as SQL of DuckDB and of Spark.
export * from './dialect.ts'
export * from './expression.ts'
export * from './relation.ts'
