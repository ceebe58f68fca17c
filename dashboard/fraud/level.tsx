import type { FeedRow } from '../../src/dashboard/api.ts'
import { seen } from '../format.ts'

const tones: Readonly<Record<string, string>> = {
  CRITICAL: 'critical',
  HIGH: 'bad',
  MEDIUM: 'warn',
  LOW: 'neutral',
  MINIMAL: 'neutral',
}

export function toneOfLevel(level: string): string {
  return tones[level] ?? 'neutral'
}

export function Level({ row }: { readonly row: FeedRow }) {
  const level = String(row.cells.risk_level ?? '')
  if (level === '') return null
  return (
    <span class={`level ${toneOfLevel(level)}`}>
      <b>{String(row.cells.fraud_score ?? '')}</b>
      <span>{seen(level.toLowerCase())}</span>
    </span>
  )
}
