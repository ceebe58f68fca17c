// The expression language: types, expressions, functions.

export * from '../columns/types.ts'
export * from './expression.ts'
export * from './function.ts'
export * from './functions/index.ts'
export * from './instants.ts'
export * from './parts.ts'
export * from './quantile.ts'
export * from './values.ts'
