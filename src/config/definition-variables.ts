// The variables that belong to definitions of tables: another value is another definition.
import type { Lakehouse } from '../plan/index.ts'
import { positiveDuration } from './values.ts'

/** By name, as `variablesOf` has them. */
export function definitionVariables({ definitionSettings = [] }: Lakehouse) {
  return definitionSettings.map(({ table: _, part: __, variable, ...about }) => {
    return [variable, { ...about, ...positiveDuration() }] as const
  })
}
