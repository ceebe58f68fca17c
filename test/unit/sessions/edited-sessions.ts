// Lakehouses with other lengths of sessions.
import { standardLakehouse } from '../../../src/lakehouse/index.ts'
import { type Lakehouse, withDefinitionSettings } from '../../../src/plan/index.ts'

export function withSessionLengths(gapMicros: bigint, maxMicros: bigint): Lakehouse {
  return withDefinitionSettings(standardLakehouse, { SESSION_GAP: gapMicros, SESSION_MAX: maxMicros })
}
