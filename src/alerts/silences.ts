// Silences of commands: their conditions stand in the log as text.
import type { Lakehouse } from '../plan/index.ts'
import type { Silence } from './alerts-config.ts'
import type { LoggedSilence } from './log-state.ts'
import { alertCondition, scoredColumns } from './read-alerts.ts'

/** One whose condition asks for what there is no more silences nothing. */
export function loggedSilences(logged: readonly LoggedSilence[], lakehouse: Lakehouse): readonly Silence[] {
  return logged.flatMap<Silence>(({ condition, ...silence }) => {
    if (condition === null) return [{ ...silence, condition: null }]
    const compiled = alertCondition(condition, scoredColumns(lakehouse), () => undefined)
    return compiled === null ? [] : [{ ...silence, condition: compiled }]
  })
}
