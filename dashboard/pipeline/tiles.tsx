// The figures that matter most.
import type { LiveState } from '../../src/dashboard/api.ts'
import { bytes, count, duration, shortCount } from '../format.ts'

type Tile = { readonly name: string; readonly value: string; readonly more: string; readonly tone?: string }

export function Tiles({ state }: { readonly state: LiveState }) {
  return (
    <dl class="tiles wide">
      {tilesOf(state).map(({ name, value, more, tone }) => (
        <div key={name} class={`tile ${tone ?? ''}`}>
          <dt>{name}</dt>
          <dd>
            <b>{value}</b>
            <span>{more}</span>
          </dd>
        </div>
      ))}
    </dl>
  )
}

function tilesOf(state: LiveState): readonly Tile[] {
  const { lag, latency, levels, refusedTotal: refused } = state
  const scored = Object.values(levels).reduce((sum, one) => sum + one, 0)
  const share = state.recordsTotal === 0 ? 0 : (100 * refused) / state.recordsTotal
  const waits = lag.records === null ? bytes(lag.bytes) : shortCount(lag.records)
  const drained = lag.drainSeconds === null ? '' : `, drained in ${duration(lag.drainSeconds * 1000)}`
  return [
    { name: 'Records a second', value: shortCount(state.recordsPerSecond), more: 'over the last minute' },
    { name: 'Latency', value: duration(latency.p50), more: `p99 ${duration(latency.p99)}` },
    {
      name: 'Waiting',
      value: waits,
      more:
        lag.seconds === null ? `in the input${drained}` : `oldest ${duration(lag.seconds * 1000)}${drained}`,
      tone: state.state === 'backlog' ? 'warn' : '',
    },
    {
      name: 'Batch',
      value: count(state.batch),
      more:
        state.lastBatchMs === null
          ? 'none yet'
          : `${duration(Math.max(0, state.asOfMs - state.lastBatchMs))} ago`,
    },
    {
      name: 'Refused',
      value: `${share.toFixed(share < 1 ? 2 : 1)} %`,
      more: `${count(refused)} since the start`,
      tone: share > 20 ? 'bad' : '',
    },
    { name: 'Scored', value: shortCount(scored), more: riskText(levels) },
  ]
}

function riskText(levels: Readonly<Record<string, number>>): string {
  const worst = ['CRITICAL', 'HIGH'].filter((level) => (levels[level] ?? 0) > 0)
  if (worst.length === 0) return 'since the start'
  return worst.map((level) => `${count(levels[level]!)} ${level.toLowerCase()}`).join(', ')
}
