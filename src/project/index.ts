// What a config, its tables and its tests are made of: `import { .. } from 'assay-lakehouse'`.
export * from '../expr/index.ts'
// Of these names a config has the fields of records; the values are called otherwise.
export { bool as boolLiteral, text as textLiteral } from '../expr/index.ts'
export { minutes, processingTime } from '../lakehouse/batch.ts'
export { standardLakehouse } from '../lakehouse/index.ts'
export * from '../plan/index.ts'
export {
  boolField as bool,
  numberField as number,
  textField as text,
  timeField as time,
  wholeField as whole,
} from '../transactions/fields.ts'
export { days, featureOver as over, hours } from './features.ts'
export type { ProjectLakehouse } from './project.ts'
export { closingEvents, list } from './table-parts.ts'
export { transactions } from './transactions.ts'
