// The expression language: types, expressions, functions.
export * from './expression.ts'
export * from './function.ts'
export * from './functions/index.ts'
export * from './types.ts'
