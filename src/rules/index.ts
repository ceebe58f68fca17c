// Rules as text: rules.yaml and its conditions in CEL, typed and compiled to expressions.
export * from './completion.ts'
export * from './condition.ts'
export * from './example.ts'
export * from './mistake.ts'
export * from './read-rules.ts'
export * from './rule-set.ts'
export * from './scope.ts'
export * from './template.ts'
