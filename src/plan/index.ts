// The plan: relations, tables and what they mean.
export * from './relation.ts'
export * from './stored.ts'
export * from './table.ts'
