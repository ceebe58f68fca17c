// The plan: relations, tables, the lakehouse that they make, and what they mean.
export * from './compared.ts'
export * from './inputs.ts'
export * from './lakehouse.ts'
export * from './relation.ts'
export * from './roles.ts'
export * from './stored.ts'
export * from './table.ts'
