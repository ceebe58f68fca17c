// All functions of the language; importing this file declares them.
export * from './aggregate.ts'
export * from './arithmetic.ts'
export * from './distribution.ts'
export * from './json.ts'
export * from './logic.ts'
export * from './number.ts'
export * from './text.ts'
export * from './time.ts'
