// What a config, its tables and its rules are made of: `import { .. } from 'assay-lakehouse'`.
export * from '../expr/index.ts'
export { standardLakehouse } from '../lakehouse/index.ts'
export * from '../plan/index.ts'
export type { ProjectLakehouse } from './project.ts'
