// Plan and expressions as JavaScript.

export * from './figure-path.ts'
export * from './given-columns.ts'
export * from './judged-facts.ts'
export * from './literal.ts'
export * from './pane-plan.ts'
export * from './row-batch.ts'
export * from './row-path.ts'
export * from './session-plan.ts'
