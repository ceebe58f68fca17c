// What is wrong, in words.
import type { LiveFinding } from '../../src/dashboard/api.ts'
import { seen, timeOfDay } from '../format.ts'

export function Findings({ findings }: { readonly findings: readonly LiveFinding[] }) {
  if (findings.length === 0) return null
  return (
    <ul class="findings wide" aria-label="What is wrong">
      {findings.map(({ severity, message, advice, code, sinceMs }) => (
        <li key={`${code}${message}`} class={severity}>
          <b>{severity === 'error' ? 'Wrong' : severity === 'warn' ? 'Look' : 'Note'}</b>
          <span>
            {seen(message)} {advice !== null && <em>{seen(advice)}</em>}
          </span>
          <span class="note">
            {code ?? ''} {sinceMs === null ? '' : `since ${timeOfDay(sinceMs)} UTC`}
          </span>
        </li>
      ))}
    </ul>
  )
}
